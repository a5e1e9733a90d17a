# SPDX-License-Identifier: Apache-2.0
"""Faults begin, end by themselves or when told to, and leave a robot that works again."""

import pytest

pytest.importorskip('mujoco')

from cosmos_policy_ros.simulation.driver_faults import chosen_motor  # noqa: E402
from cosmos_policy_ros.simulation.fault_injector import FaultInjector  # noqa: E402
from cosmos_policy_ros.simulation.faults import FAULTS, faults_from_request  # noqa: E402
from cosmos_policy_ros.simulation.simulated_aloha import SimulatedAloha  # noqa: E402
from cosmos_policy_ros.spec.aloha import ALOHA  # noqa: E402

MS = 1_000_000
LEFT, RIGHT = (arm.name for arm in ALOHA.arms)
DRIVER_FAULTS = ('joints_minus_pi', 'joints_nan', 'motor_error', 'torque_off', 'mode_change',
                 'driver_crash', 'services_lost')


class Bench:
    """A simulated robot, an injector, and a clock."""

    def __init__(self):
        self.robot = SimulatedAloha(ALOHA, log=lambda level, text: None)
        self.logged = []
        self.injector = FaultInjector(
            self.robot, log=lambda level, text: self.logged.append((level, text)))
        self.now_ns = 0

    def run(self, duration_ms):
        """Let time pass."""
        self.now_ns += duration_ms * MS
        self.injector.end_overdue(self.now_ns)
        self.robot.advance_to(self.now_ns)

    def inject(self, name, target=LEFT, *, duration_s=0.0, amount=0.0, seed=0):
        """Inject a fault; return it."""
        faults = faults_from_request(
            name, target=target, duration_s=duration_s, amount=amount, seed=seed,
            now_ns=self.now_ns, arms=(LEFT, RIGHT), cameras=('cam_high',))
        self.injector.inject(faults, self.now_ns)
        return faults[0]

    def spoil(self, target, content):
        """Return the contents that leave a stream now."""
        return [message.content for message in self.injector.spoil(
            target, content, self.now_ns, self.now_ns)]

    def registers(self, name, arm=LEFT):
        """Read a register of every motor of an arm."""
        with self.robot.driver(arm) as driver:
            return driver.get_motor_registers('group', 'all', name)


@pytest.fixture(scope='module')
def bench():
    """One robot for all tests: each must leave it healthy."""
    return Bench()


@pytest.mark.parametrize('name', DRIVER_FAULTS)
@pytest.mark.parametrize('is_ended', [True, False])
def test_after_a_fault_of_the_driver_the_arm_is_as_before(bench, name, is_ended):
    bench.inject(name, duration_s=0.0 if is_ended else 0.2)
    assert bench.injector.names(LEFT) == {name} and not bench.injector.names(RIGHT)
    bench.run(100)
    if is_ended:
        assert bench.injector.clear('', bench.now_ns) == 1
    bench.run(2000)
    bench.run(2000)
    assert not bench.injector.names(LEFT)
    states = bench.robot.joint_states(LEFT)
    assert all(-3 < angle < 3 for angle in states.positions[:6])
    assert set(bench.registers('Torque_Enable')) == {1}
    assert set(bench.registers('Hardware_Error_Status')) == {0}
    with bench.robot.driver(LEFT) as driver:
        assert driver.robot_info('group', 'arm').mode == 'position'


def test_a_motor_fails_with_the_error_bits_and_only_the_one_that_the_seed_chooses(bench):
    fault = bench.inject('motor_error', amount=0x04, seed=3)
    errors = dict(zip((*ALOHA.arms[0].joint_names, ALOHA.arms[0].gripper_joint),
                      bench.registers('Hardware_Error_Status')))
    with bench.robot.driver(LEFT) as driver:
        assert {name for name, value in errors.items() if value} == {chosen_motor(fault, driver)}
    assert sum(errors.values()) == 0x04
    assert set(bench.registers('Hardware_Error_Status', RIGHT)) == {0}
    bench.injector.clear('', bench.now_ns)
    bench.run(1500)


def test_a_crashed_driver_is_mute_and_its_motors_hold(bench):
    before = bench.robot.joint_states(RIGHT).positions
    bench.inject('driver_crash', RIGHT)
    bench.run(300)
    assert bench.robot.joint_states(RIGHT) is None and bench.robot.joint_states(LEFT) is not None
    bench.injector.clear(RIGHT, bench.now_ns)
    bench.run(20)
    assert bench.robot.joint_states(RIGHT).positions == pytest.approx(before, abs=0.02)


def test_faults_of_one_stream_follow_one_another_and_leave_the_others_alone(bench):
    bench.inject('joints_freeze')
    assert bench.spoil(LEFT, 'a') == ['a'] and bench.spoil(LEFT, 'b') == ['a']
    assert bench.spoil(RIGHT, 'b') == ['b'] and bench.spoil('cam_high', 'b') == ['b']
    bench.inject('joints_drop')
    assert bench.spoil(LEFT, 'c') == []
    bench.injector.clear(RIGHT, bench.now_ns)
    assert bench.spoil(LEFT, 'd') == []
    bench.injector.clear(LEFT, bench.now_ns)
    assert bench.spoil(LEFT, 'e') == ['e']


def test_a_fault_injected_again_begins_anew(bench):
    bench.inject('joints_freeze')
    assert bench.spoil(LEFT, 'a') == ['a']
    bench.inject('joints_freeze')
    assert bench.spoil(LEFT, 'b') == ['b']
    assert bench.injector.clear('both', bench.now_ns) == 1


def test_beginning_and_end_are_told(bench):
    bench.logged.clear()
    bench.inject('camera_drop', 'cam_high', duration_s=0.1)
    bench.run(200)
    assert [level for level, _ in bench.logged] == ['warn', 'info']
    assert all('camera_drop of cam_high' in text for _, text in bench.logged)
    assert FAULTS['camera_drop'].text in bench.logged[0][1]
