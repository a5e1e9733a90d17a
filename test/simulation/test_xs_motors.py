# SPDX-License-Identifier: Apache-2.0
"""Groups, modes and units: how a command becomes goals, or is refused."""

import math

from hypothesis import given
from hypothesis import strategies as st
import pytest

from cosmos_policy_ros.simulation.xs_motor import angle_from_raw
from cosmos_policy_ros.simulation.xs_motors import UnknownTarget, XsMotors
from cosmos_policy_ros.spec.aloha import ALOHA

ARM = ALOHA.arms[0]
HOME = list(ARM.start_rad)


@pytest.fixture
def logged():
    return []


@pytest.fixture
def motors(logged):
    return XsMotors(ARM, lambda level, text: logged.append((level, text)))


def goal(motors, joint, register='Goal_Position'):
    return motors.by_joint[joint].registers[register]


def goal_angles(motors):
    return [angle_from_raw(goal(motors, joint)) for joint in ARM.joint_names]


def test_bring_up_leaves_the_modes_of_the_vendors_mode_files(motors):
    assert motors.mode('group', 'arm') == 'position'
    assert motors.mode('single', 'waist') == 'position'
    assert motors.mode('single', 'gripper') == 'linear_position'
    assert motors.get_registers('group', 'all', 'Torque_Enable') == (1,) * 7
    assert motors.get_registers('group', 'all', 'Profile_Velocity') == (0,) * 7


@given(values=st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=6,
                       max_size=6))
def test_any_command_is_taken_exactly_or_refused_per_motor(values):
    motors = XsMotors(ARM, lambda level, text: None)
    before = goal_angles(motors)
    motors.command('group', 'arm', values)
    for joint, old, new, value in zip(ARM.joint_names, before, goal_angles(motors), values):
        i = ARM.joint_names.index(joint)
        inside = ARM.lower_rad[i] <= value <= ARM.upper_rad[i]
        far = not math.isfinite(value) or not (
            ARM.lower_rad[i] - 0.002 <= value <= ARM.upper_rad[i] + 0.002)
        if inside:
            assert new == pytest.approx(value, abs=0.0016)
        if far:
            assert new == old


def test_one_joint_out_of_range_does_not_stop_the_others(motors, logged):
    motors.command('group', 'arm', [0.3, -2.05, *HOME[2:]])
    assert goal_angles(motors)[0] == pytest.approx(0.3, abs=2e-3)
    assert goal(motors, 'shoulder') == 2048
    assert [level for level, _ in logged] == ['warn']


@pytest.mark.parametrize('values', [[], HOME[:5], [*HOME, 0.0]])
def test_a_group_command_of_wrong_length_is_ignored(motors, logged, values):
    before = goal_angles(motors)
    motors.command('group', 'arm', values)
    assert goal_angles(motors) == before
    assert logged[0][0] == 'error'


@pytest.mark.parametrize(('cmd_type', 'name'), [
    ('group', 'legs'), ('group', 'waist'), ('single', 'arm'), ('single', 'left_finger'),
    ('both', 'arm'), ('', '')])
def test_unknown_targets_are_named_with_the_known_ones(motors, cmd_type, name):
    with pytest.raises(UnknownTarget, match='groups: all, arm'):
        motors.joints(cmd_type, name)


@pytest.mark.parametrize(('mode', 'value', 'register', 'raw'), [
    ('position', 0.5, 'Goal_Position', 2373),
    ('current_based_position', 0.5, 'Goal_Position', 2373),
    ('velocity', 0.5, 'Goal_Velocity', 20),
    ('current', 100.0, 'Goal_Current', 37),
    ('pwm', -250.7, 'Goal_PWM', -250),
])
def test_each_mode_reads_a_command_in_its_unit(motors, mode, value, register, raw):
    motors.set_operating_modes('single', 'waist', mode, 'velocity', 0, 0)
    motors.command('single', 'waist', [value])
    assert goal(motors, 'waist', register) == raw


@given(separation_m=st.floats(0.03, 0.12))
def test_linear_position_means_the_distance_between_the_fingers(separation_m):
    motors = XsMotors(ARM, lambda level, text: None)
    motors.command('single', 'gripper', [separation_m])
    angle = angle_from_raw(goal(motors, 'gripper'))
    assert 2 * ARM.geometry.finger_from_angle(angle) == pytest.approx(separation_m, abs=2e-4)


@pytest.mark.parametrize('separation_m', [0.0, -0.05, 1.0, math.nan])
def test_a_separation_out_of_reach_is_refused(motors, logged, separation_m):
    motors.command('single', 'gripper', [separation_m])
    assert goal(motors, 'gripper') == 2048
    assert logged


@pytest.mark.parametrize('mode', ['velocity', 'current', 'pwm'])
@pytest.mark.parametrize('value', [math.nan, math.inf, 1e9, -1e9])
def test_absurd_values_are_refused_in_every_unit(motors, mode, value):
    motors.set_operating_modes('single', 'waist', mode, 'velocity', 0, 0)
    before = dict.fromkeys(['Goal_Velocity', 'Goal_Current', 'Goal_PWM'])
    for register in before:
        before[register] = goal(motors, 'waist', register)
    motors.command('single', 'waist', [value])
    assert {register: goal(motors, 'waist', register) for register in before} == before


def test_ext_position_is_rejected_and_its_misspelling_accepted(motors, logged):
    motors.set_operating_modes('single', 'waist', 'ext_position', 'velocity', 0, 0)
    assert motors.mode('single', 'waist') == 'position'
    assert logged[-1][0] == 'error'
    motors.set_operating_modes('single', 'waist', 'ext_postition', 'velocity', 0, 0)
    assert goal(motors, 'waist', 'Operating_Mode') == 4


def test_an_unknown_mode_is_stored_and_fails_group_commands_until_a_valid_one(motors, logged):
    motors.set_operating_modes('group', 'arm', 'positon', 'velocity', 0, 0)
    assert motors.info('group', 'arm').mode == 'positon'
    motors.command('group', 'arm', HOME)
    assert 'invalid mode' in logged[-1][1]
    assert goal(motors, 'elbow') == 2048
    motors.command('single', 'elbow', [0.1])
    assert goal(motors, 'elbow') > 2048
    motors.set_operating_modes('group', 'arm', 'position', 'velocity', 0, 0)
    motors.command('group', 'arm', HOME)
    assert goal_angles(motors) == pytest.approx(HOME, abs=2e-3)


def test_group_all_has_no_mode_until_one_is_set(motors, logged):
    motors.command('group', 'all', [*HOME, 1.0])
    assert 'invalid mode' in logged[-1][1]
    motors.set_operating_modes('group', 'all', 'position', 'velocity', 0, 0)
    motors.command('group', 'all', [*HOME, 1.0])
    assert angle_from_raw(goal(motors, 'gripper')) == pytest.approx(1.0, abs=2e-3)


def test_a_single_change_does_not_touch_the_groups_mode(motors):
    motors.set_operating_modes('single', 'waist', 'velocity', 'velocity', 0, 0)
    assert motors.mode('group', 'arm') == 'position'
    assert motors.mode('single', 'waist') == 'velocity'


def test_changing_a_mode_ends_torqued_on_even_if_torque_was_off(motors):
    motors.torque_enable('group', 'arm', False)
    motors.set_operating_modes('group', 'arm', 'current', 'velocity', 0, 0)
    assert motors.get_registers('group', 'arm', 'Torque_Enable') == (1,) * 6


@pytest.mark.parametrize(('mode', 'velocity', 'acceleration'), [
    ('position', 131, 25), ('linear_position', 131, 25), ('ext_postition', 131, 25),
    ('velocity', 0, 25), ('pwm', 0, 0), ('current', 0, 0), ('current_based_position', 0, 0)])
def test_profiles_are_written_only_for_the_modes_that_have_them(
        motors, mode, velocity, acceleration):
    motors.set_operating_modes('single', 'waist', mode, 'velocity', 131, 25)
    assert goal(motors, 'waist', 'Profile_Velocity') == velocity
    assert goal(motors, 'waist', 'Profile_Acceleration') == acceleration


def test_the_profile_type_is_a_bit_of_drive_mode(motors):
    motors.set_operating_modes('group', 'arm', 'position', 'time', 2000, 300)
    assert motors.get_registers('group', 'arm', 'Drive_Mode') == (4,) * 6
    assert motors.info('group', 'arm').profile_type == 'time'
    motors.set_operating_modes('group', 'arm', 'position', 'velocity', 0, 0)
    assert motors.get_registers('group', 'arm', 'Drive_Mode') == (0,) * 6


def test_gains_land_in_their_registers(motors):
    motors.set_gains('group', 'arm', (100, 1, 2, 3, 4, 5, 6))
    for register, value in (('Position_P_Gain', 100), ('Position_I_Gain', 1),
                            ('Position_D_Gain', 2), ('Feedforward_1st_Gain', 3),
                            ('Feedforward_2nd_Gain', 4), ('Velocity_P_Gain', 5),
                            ('Velocity_I_Gain', 6)):
        assert motors.get_registers('group', 'arm', register) == (value,) * 6
    assert motors.get_registers('single', 'gripper', 'Position_P_Gain') == (800,)


def test_the_vendor_scripts_current_limit_write_has_no_effect(motors, logged):
    motors.set_registers('single', 'gripper', 'current_limit', 300)
    motors.set_registers('single', 'gripper', 'Current_Limit', 300)
    assert motors.get_registers('single', 'gripper', 'Current_Limit') == (200,)
    assert len(logged) == 2


def test_an_unknown_register_reads_as_nothing(motors, logged):
    assert motors.get_registers('group', 'arm', 'Present_temperature') == ()
    assert logged[-1][0] == 'error'
    assert motors.get_registers('group', 'arm', 'Present_Temperature') == (35,) * 6


def test_a_smart_reboot_means_the_motors_in_error(motors):
    motors.by_joint['elbow'].fail(0x20)
    assert motors.joints_to_reboot('group', 'arm', True) == ('elbow',)
    assert motors.joints_to_reboot('group', 'arm', False) == ARM.joint_names
    assert motors.joints_to_reboot('single', 'waist', True) == ('waist',)


def test_info_of_all_lists_the_groups_and_every_motor(motors):
    info = motors.info('group', 'all')
    assert info.name == ('all', 'arm')
    assert info.num_joints == 7
    assert info.joint_ids == (1, 2, 4, 6, 7, 8, 9)
    assert info.joint_names[-1] == 'left_finger'
