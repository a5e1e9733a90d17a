# SPDX-License-Identifier: Apache-2.0
"""The whole chain of teleoperation in virtual time: gesture, session, leaders, arms, task."""

import numpy as np

from cosmos_policy_ros.evaluation.virtual_robot import START_NS, VirtualRobot
from cosmos_policy_ros.recording.gesture import GripperGesture
from cosmos_policy_ros.recording.session import Deed, Phase, Session
from cosmos_policy_ros.recording.session_plan import SessionPlan
from cosmos_policy_ros.robot.motion_settings import MotionSettings
from cosmos_policy_ros.robot.run_state import StopReason
from cosmos_policy_ros.robot.settings import ArmSettings
from cosmos_policy_ros.robot.teleoperation import DELAY_PERIODS, Teleoperation
from cosmos_policy_ros.simulation.expert import Expert
from cosmos_policy_ros.simulation.simulated_operator import SimulatedOperator
from cosmos_policy_ros.spec.aloha import ALOHA
from cosmos_policy_ros.spec.leader import leader_specs

PERIOD_NS = 20_000_000
LEADERS = leader_specs(ALOHA)
ARM_JOINTS = ~np.isin(np.arange(ALOHA.num_joints), ALOHA.gripper_indices)


class Teleoperator:
    """A simulated operator, the recorder's session and the followers, on the robot's clock."""

    def __init__(self):
        self.robot = VirtualRobot(
            ALOHA, 'transfer_cube', settings=ArmSettings(velocity_scale=1.0),
            motion=MotionSettings(blend_s=0.001))
        self.robot.reset(3)
        simulation = self.robot.simulation
        expert = Expert(ALOHA, simulation.model, 'transfer_cube')
        self.operator = SimulatedOperator(
            ALOHA, lambda: expert.plan(simulation.object_poses(), wait_s=0.0))
        self.teleoperation = Teleoperation(
            ALOHA, LEADERS, period_ns=PERIOD_NS, max_age_ns=5 * PERIOD_NS)
        self.gesture = GripperGesture(
            {leader.name: leader.gripper.start_below_rad for leader in LEADERS}, hold_s=0.3)
        self.session = Session()
        self.deeds, self.led, self.followed, self.seed = [], [], [], 3

    def step(self):
        """Let 20 ms pass."""
        for _ in range(2):
            self.robot.advance()
        now_ns = self.robot.now_ns
        self.operator.follow(self.session.phase.value, now_ns)
        if self.operator.wants_new_scene(now_ns):
            self.seed += 1
            self.robot.simulation.reset_objects(self.seed)
        self._lead(now_ns)
        self._note(self.session.tick(now_ns))
        if self.session.phase is Phase.SAVING:
            self._note(self.session.saved(now_ns))

    def run_until(self, condition, limit_s):
        """Step until a condition holds, or fail."""
        end_ns = self.robot.now_ns + limit_s * 10**9
        while not condition():
            assert self.robot.now_ns < end_ns, f'{self.session.phase} after {limit_s} s'
            self.step()

    def _lead(self, now_ns):
        joints = self.operator.joints_at(now_ns)
        for index, leader in enumerate(LEADERS):
            *arm, opening = joints[ALOHA.arm_slice(index)]
            angle = leader.gripper.joint_from_opening(opening)
            self.teleoperation.update(
                leader, (*leader.joint_names, leader.gripper_joint), [*arm, angle], now_ns)
            is_cue = self.gesture.update(leader.name, angle, now_ns)
            if is_cue and self.session.phase is Phase.WAITING:
                self._note(self.session.start(now_ns))
        chunk = self.teleoperation.chunk_at(now_ns)
        if chunk is not None:
            receipt = self.robot.submit(chunk)
            assert receipt.is_accepted, receipt.detail
        self.led.append(joints)
        self.followed.append(np.concatenate(
            [self.robot.samples[arm.name].positions for arm in ALOHA.arms]))

    def _note(self, deed):
        if deed is not Deed.NOTHING:
            self.deeds.append(deed)


def test_a_gesture_starts_each_episode_and_the_followers_do_the_task():
    teleoperator = Teleoperator()
    session = teleoperator.session
    session.begin(SessionPlan(num_episodes=2, episode_s=14.0, reset_s=3.0), START_NS)
    teleoperator.run_until(lambda: session.phase is Phase.RESET, 30)
    assert teleoperator.robot.status.is_success
    teleoperator.run_until(lambda: session.phase is Phase.RECORDING, 20)
    # The cube is back on the table, and the task begins anew.
    assert not teleoperator.robot.status.is_success
    session.end(teleoperator.robot.now_ns)
    teleoperator.run_until(lambda: session.phase is Phase.DONE, 1)
    assert teleoperator.deeds == [Deed.OPEN, Deed.SAVE, Deed.OPEN]
    led, followed = np.array(teleoperator.led), np.array(teleoperator.followed)
    lag = DELAY_PERIODS + 3
    error = np.abs(followed[lag:] - led[:-lag])[:, ARM_JOINTS]
    assert np.percentile(error, 99) < 0.05 and error.max() < 0.25
    status = teleoperator.robot.controller.status(teleoperator.robot.now_ns)
    assert status.reason is StopReason.NONE and status.counters.position_clamps == 0


def test_when_the_leaders_fall_silent_the_followers_stop_where_they_are():
    teleoperator = Teleoperator()
    teleoperator.session.begin(SessionPlan(num_episodes=1, episode_s=14.0), START_NS)
    teleoperator.run_until(lambda: teleoperator.session.phase is Phase.RECORDING, 10)
    for _ in range(100):
        teleoperator.step()
    for _ in range(50):
        teleoperator.robot.advance()
    before = [teleoperator.robot.samples[arm.name].positions for arm in ALOHA.arms]
    for _ in range(50):
        teleoperator.robot.advance()
    after = [teleoperator.robot.samples[arm.name].positions for arm in ALOHA.arms]
    assert np.abs(np.subtract(after, before)).max() < 0.01
