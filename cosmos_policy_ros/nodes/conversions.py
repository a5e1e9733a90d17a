# SPDX-License-Identifier: Apache-2.0
"""Message to spec and back: the only place that touches message fields of joints and chunks.

Images are converted in `image_conversions`, so that a node without images needs no OpenCV.
"""

from __future__ import annotations

import array
from collections.abc import Iterable

from builtin_interfaces.msg import Duration, Time
import numpy as np
from sensor_msgs.msg import JointState
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from cosmos_policy_ros.errors import PredictionError
from cosmos_policy_ros.nodes.interfaces import ActionChunkMsg, StageTimingMsg
from cosmos_policy_ros.robot.joint_state import joint_sample_from_state, JointSample
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.prediction import Prediction, StageTiming
from cosmos_policy_ros.spec.robot import ArmSpec, RobotSpec

NANOSECONDS = 10**9


def stamp_to_ns(stamp: Time) -> int:
    """Time of a header in [ns]."""
    return stamp.sec * NANOSECONDS + stamp.nanosec


def stamp_from_ns(time_ns: int) -> Time:
    """Header time of a time in [ns]."""
    return Time(sec=time_ns // NANOSECONDS, nanosec=time_ns % NANOSECONDS)


def duration_to_ns(duration: Duration) -> int:
    """Length of a duration message in [ns]."""
    return duration.sec * NANOSECONDS + duration.nanosec


def duration_from_ns(length_ns: int) -> Duration:
    """Duration message of a length in [ns]."""
    return Duration(sec=length_ns // NANOSECONDS, nanosec=length_ns % NANOSECONDS)


def trajectory_from_chunk(chunk: ActionChunk, robot: RobotSpec) -> JointTrajectory:
    """Joint trajectory stamped with the observation; point k is due at (k + 1) periods."""
    return JointTrajectory(
        header=Header(stamp=stamp_from_ns(chunk.stamp_ns)), joint_names=list(robot.joint_names),
        points=[JointTrajectoryPoint(
            positions=positions.tolist(),
            time_from_start=duration_from_ns((index + 1) * chunk.period_ns))
            for index, positions in enumerate(chunk.positions)])


def chunk_from_trajectory(msg: JointTrajectory, robot: RobotSpec) -> ActionChunk:
    """Action chunk of a joint trajectory; joints are put in the robot's order by name.

    Raises:
        PredictionError: If joints are missing, unknown or repeated, points have the wrong length,
            or the spacing is not uniform.
    """
    if sorted(msg.joint_names) != sorted(robot.joint_names):
        raise PredictionError(
            f'trajectory names the joints {list(msg.joint_names)}; '
            f'expected exactly {list(robot.joint_names)}')
    wrong = [len(point.positions) for point in msg.points
             if len(point.positions) != robot.num_joints]
    if wrong or not msg.points:
        raise PredictionError(
            f'trajectory has {len(msg.points)} points, one with {(wrong or [0])[0]} positions; '
            f'expected at least one point, each with {robot.num_joints} positions')
    due_ns = [duration_to_ns(point.time_from_start) for point in msg.points]
    if any(due != (index + 1) * due_ns[0] for index, due in enumerate(due_ns)):
        raise PredictionError(
            f'trajectory points are due after {due_ns[:3]}... ns; '
            'point k must be due after (k + 1) equal periods')
    order = [list(msg.joint_names).index(name) for name in robot.joint_names]
    positions = np.array([point.positions for point in msg.points])[:, order]
    return ActionChunk(positions=positions, stamp_ns=stamp_to_ns(msg.header.stamp),
                       period_ns=due_ns[0])


def chunk_message(prediction: Prediction, robot: RobotSpec, **context: object) -> ActionChunkMsg:
    """Message that tells all about a prediction.

    Args:
        prediction: The prediction.
        robot: The robot that the chunk is for.
        **context: Fields that only the node knows: execution_horizon, task, policy, is_trained,
            query_index, latency_s.
    """
    chunk = prediction.chunk
    return ActionChunkMsg(
        header=Header(stamp=stamp_from_ns(chunk.stamp_ns)), joint_names=list(robot.joint_names),
        chunk_size=len(chunk.positions), period_s=chunk.period_ns / NANOSECONDS,
        positions=array.array('d', chunk.positions.tobytes()), mode=prediction.mode,
        seed=prediction.seed, num_denoising_steps=prediction.num_denoising_steps,
        value=float(prediction.value), future_proprio=prediction.future_proprio.tolist(),
        timings=timing_messages(prediction.timings), **context)


def timing_messages(timings: Iterable[StageTiming]) -> list[StageTimingMsg]:
    """Messages of stage timings."""
    return [StageTimingMsg(name=timing.name, duration_s=float(timing.duration_s))
            for timing in timings]


def joint_state_message(
    positions: np.ndarray, joint_names: tuple[str, ...], stamp_ns: int,
) -> JointState:
    """Joint state message of a joint vector."""
    return JointState(header=Header(stamp=stamp_from_ns(stamp_ns)), name=list(joint_names),
                      position=positions.tolist())


def joint_sample(msg: JointState, arm: ArmSpec) -> JointSample:
    """Measurement of one arm, its joints looked up by name.

    Raises:
        ObservationError: If a joint is missing or the values cannot be a measurement.
    """
    return joint_sample_from_state(
        arm, msg.name, msg.position, stamp_ns=stamp_to_ns(msg.header.stamp),
        velocities=msg.velocity, efforts=msg.effort)
