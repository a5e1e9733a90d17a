# SPDX-License-Identifier: Apache-2.0
"""Joint commands to the messages of Interbotix's driver and of ros2_control, one per arm."""

from __future__ import annotations

import array
from collections.abc import Sequence

from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from cosmos_policy_ros.nodes.conversions import duration_from_ns, stamp_from_ns
from cosmos_policy_ros.nodes.interfaces import (
    JointGroupCommand, JointSingleCommand, JointTrajectoryCommand)
from cosmos_policy_ros.robot.tick_clock import LATE_TICK_PERIODS
from cosmos_policy_ros.robot.trajectory_window import point_times_ns
from cosmos_policy_ros.spec.action import JointCommand
from cosmos_policy_ros.spec.robot import ArmSpec, RobotSpec

HOLDING_NS = 200_000_000


def group_commands(command: JointCommand, robot: RobotSpec) -> list[JointGroupCommand]:
    """Targets of the arm joints in [rad]."""
    return [JointGroupCommand(name='arm', cmd=array.array('f', _joints(command, robot, index)))
            for index in range(len(robot.arms))]


def gripper_commands(command: JointCommand, robot: RobotSpec) -> list[JointSingleCommand]:
    """Targets of the grippers: openings become motor angles in [rad]."""
    return [JointSingleCommand(
        name=arm.gripper_joint,
        cmd=float(arm.gripper.joint_from_opening(_opening(command, robot, index))))
        for index, arm in enumerate(robot.arms)]


def driver_trajectories(
    commands: Sequence[JointCommand], robot: RobotSpec,
) -> list[JointTrajectoryCommand]:
    """Targets of the arm joints, in the one form that Interbotix's driver plays on time.

    It sends each point when the interval before it begins, the first one never; so there is an
    empty point in front of the targets, and the interval before the last one is next to nothing.

    Args:
        commands: Targets within one second, at least one.
        robot: The robot.
    """
    times_ns = point_times_ns(commands)
    return [JointTrajectoryCommand(cmd_type='group', name='arm', traj=JointTrajectory(
        header=Header(stamp=stamp_from_ns(commands[0].stamp_ns)),
        joint_names=list(arm.joint_names), points=[JointTrajectoryPoint(), *(
            _point(_joints(command, robot, index), time_ns)
            for command, time_ns in zip(commands, times_ns[1:]))]))
            for index, arm in enumerate(robot.arms)]


def controller_trajectories(
    commands: Sequence[JointCommand], robot: RobotSpec, *, last: JointCommand | None,
    period_ns: int,
) -> tuple[list[JointTrajectory], list[JointTrajectory]]:
    """Trajectories of arms in [rad] and of grippers' fingers in [m], all with the same stamp.

    They end with holding the last target for a while: a controller refuses a trajectory that
    ended before it came.

    Args:
        commands: Targets one period apart, at least one; the first is due one period after its
            stamp, or later if as much time passed since the last command.
        robot: The robot.
        last: What was commanded before, where the trajectory begins; None if nothing was. Left
            out where it is so old that the arms have gone on from there by themselves.
        period_ns: Time between two commands in [ns].
    """
    elapsed_ns = period_ns if last is None else commands[0].stamp_ns - last.stamp_ns
    first_ns = min(max(elapsed_ns, period_ns), int(LATE_TICK_PERIODS * period_ns))
    due = [(first_ns + index * period_ns, command) for index, command in enumerate(commands)]
    due.append((due[-1][0] + HOLDING_NS, commands[-1]))
    if last is not None and elapsed_ns <= LATE_TICK_PERIODS * period_ns:
        due.insert(0, (0, last))
    header = Header(stamp=stamp_from_ns(commands[0].stamp_ns))
    arms = [JointTrajectory(header=header, joint_names=list(arm.joint_names), points=[
        _point(_joints(command, robot, index), time_ns) for time_ns, command in due])
            for index, arm in enumerate(robot.arms)]
    grippers = [JointTrajectory(header=header, joint_names=[arm.finger_joint], points=[
        _point([_finger_m(arm, _opening(command, robot, index))], time_ns)
        for time_ns, command in due]) for index, arm in enumerate(robot.arms)]
    return arms, grippers


def _point(positions: Sequence[float], time_ns: int) -> JointTrajectoryPoint:
    return JointTrajectoryPoint(
        positions=positions, time_from_start=duration_from_ns(time_ns))


def _joints(command: JointCommand, robot: RobotSpec, arm_index: int) -> list[float]:
    return command.positions[robot.arm_slice(arm_index)][:-1].tolist()


def _opening(command: JointCommand, robot: RobotSpec, arm_index: int) -> float:
    return float(command.positions[robot.arm_slice(arm_index)][-1])


def _finger_m(arm: ArmSpec, opening: float) -> float:
    """Finger position in [m] that the gripper's motor has where it is commanded that opening."""
    return arm.geometry.finger_from_angle(arm.gripper.joint_from_opening(opening))
