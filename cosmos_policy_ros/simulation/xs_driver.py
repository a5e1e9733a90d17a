# SPDX-License-Identifier: Apache-2.0
"""What the vendor's `xs_sdk` node does for one arm, without ROS, clock or bus.

Topics call `command_group`, `command_single`, `command_trajectory`; services call
`set_operating_modes`, `torque_enable`, `reboot_motors`, `robot_info`, `set_motor_pid_gains`,
`set_motor_registers`, `get_motor_registers`. Bad requests are logged through `log(level, text)`
and answered with an empty value, as the vendor does. The simulation calls `step` with the motors'
readings and obeys the goals it returns; `joint_states` is what goes out at 100 Hz.

The vendor's node has one thread: while a reboot (1 s per motor) or a mode change (30 ms per motor)
runs, commands wait and there are no joint states. `busy_until_ns` says until when; a service node
should answer then. A single command's 10 ms on the bus is not imitated.

Faults: `read_failure` spoils joint states; `fail_motor` raises a hardware error. `crash_reason` is
set where the vendor's process would have died, or by `crash`; until `restart` the driver is deaf
and mute, while the motors hold.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.simulation.motor_signals import MotorGoals, MotorReadings
from cosmos_policy_ros.simulation.xs_info import RobotInfo
from cosmos_policy_ros.simulation.xs_joint_states import (
    JointStates, READ_FAILURES, read_joint_states)
from cosmos_policy_ros.simulation.xs_motor import angle_from_raw
from cosmos_policy_ros.simulation.xs_motors import UnknownTarget, XsMotors
from cosmos_policy_ros.simulation.xs_trajectory import (
    DriverCrash, TRAJECTORY_TIMINGS, TrajectoryPlayer, TrajectoryPoint)
from cosmos_policy_ros.spec.robot import ArmSpec

REBOOT_NS = 1_000_000_000
MODE_CHANGE_NS = 30_000_000
TOPIC_DEPTH = 10
_SAME_POSITION_RAD = 0.01

_Answer = TypeVar('_Answer')


class XsDriver:
    """The driver of one arm. Not thread-safe; see the module for how it is wired.

    Args:
        arm: The arm it drives.
        log: Called with level (`debug`, `info`, `warn`, `error`, `fatal`) and text.
        trajectory_timing: `faithful` or `correct`, see `xs_trajectory`.
        is_strict: Whether a command to an unknown group ends the process, as it does the vendor's.

    Attributes:
        busy_until_ns: Until when the driver's one thread is occupied, in [ns].
        crash_reason: Why the process would have died; None while it lives.
    """

    def __init__(self, arm: ArmSpec, *, log: Callable[[str, str], None],
                 trajectory_timing: str = 'faithful', is_strict: bool = False) -> None:
        if trajectory_timing not in TRAJECTORY_TIMINGS:
            raise ConfigurationError(f'trajectory_timing is {trajectory_timing!r}; allowed: '
                                     f'{", ".join(TRAJECTORY_TIMINGS)}')
        self.arm = arm
        self.busy_until_ns = 0
        self.crash_reason: str | None = None
        self._log = log
        self._timing = trajectory_timing
        self._is_strict = is_strict
        self._read_failure = 'none'
        self._motors = XsMotors(arm, log)
        self._agenda: deque[tuple[int, Callable[[], None]]] = deque()
        self._waiting: dict[str, deque[Callable[[int], None]]] = {
            topic: deque(maxlen=TOPIC_DEPTH) for topic in ('group', 'single', 'trajectory')}
        self._trajectory: TrajectoryPlayer | None = None

    def command_group(self, now_ns: int, name: str, values: Sequence[float]) -> None:
        """Act on a message of `commands/joint_group`."""
        self._receive('group', now_ns, lambda at_ns: self._write('group', name, values))

    def command_single(self, now_ns: int, name: str, value: float) -> None:
        """Act on a message of `commands/joint_single`."""
        self._receive('single', now_ns, lambda at_ns: self._write('single', name, [value]))

    def command_trajectory(self, now_ns: int, cmd_type: str, name: str,
                           points: Sequence[TrajectoryPoint]) -> None:
        """Act on a message of `commands/joint_trajectory`."""
        self._receive('trajectory', now_ns,
                      lambda at_ns: self._start_trajectory(at_ns, cmd_type, name, points))

    def set_operating_modes(
        self, now_ns: int, cmd_type: str, name: str, *, mode: str, profile_type: str,
        profile_velocity: int, profile_acceleration: int,
    ) -> None:
        """Serve `set_operating_modes`."""
        joints = self._answer(lambda: self._motors.joints(cmd_type, name), ())
        if joints:
            self._motors.set_operating_modes(
                cmd_type, name, mode, profile_type, profile_velocity, profile_acceleration)
            self._occupy(now_ns, len(joints) * MODE_CHANGE_NS)
            self._log('info', f'operating mode of {cmd_type} {name!r} is now {mode!r}')

    def torque_enable(self, cmd_type: str, name: str, enable: bool) -> None:
        """Serve `torque_enable`; a joint without torque is limp."""
        self._answer(lambda: self._motors.torque_enable(cmd_type, name, enable), None)

    def reboot_motors(self, now_ns: int, cmd_type: str, name: str, *, enable: bool,
                      smart_reboot: bool) -> None:
        """Serve `reboot_motors`: one motor after the other, torque (if enabled) at the end."""
        joints = self._answer(
            lambda: self._motors.joints_to_reboot(cmd_type, name, smart_reboot), ())
        for joint in joints:
            start_ns = max(now_ns, self.busy_until_ns)
            self._agenda.append((start_ns, self._motors.by_joint[joint].reboot))
            self._occupy(now_ns, REBOOT_NS)
            self._log('info', f'{joint} reboots')
        if joints and enable:
            self._agenda.append((self.busy_until_ns, lambda: self._torque_on(joints)))

    def robot_info(self, cmd_type: str, name: str) -> RobotInfo:
        """Serve `get_robot_info`."""
        return self._answer(lambda: self._motors.info(cmd_type, name), RobotInfo())

    def set_motor_pid_gains(self, cmd_type: str, name: str, gains: Sequence[int]) -> None:
        """Serve `set_motor_pid_gains`: kp_pos, ki_pos, kd_pos, k1, k2, kp_vel, ki_vel."""
        self._answer(lambda: self._motors.set_gains(cmd_type, name, gains), None)

    def set_motor_registers(self, cmd_type: str, name: str, register: str, value: int) -> None:
        """Serve `set_motor_registers`."""
        self._answer(lambda: self._motors.set_registers(cmd_type, name, register, value), None)

    def get_motor_registers(self, cmd_type: str, name: str, register: str) -> tuple[int, ...]:
        """Serve `get_motor_registers`."""
        return self._answer(lambda: self._motors.get_registers(cmd_type, name, register), ())

    @property
    def read_failure(self) -> str:
        """Fault of the bus reads: `none`, `minus_pi` (raw zeros) or `nan`."""
        return self._read_failure

    @read_failure.setter
    def read_failure(self, kind: str) -> None:
        if kind not in READ_FAILURES:
            raise ConfigurationError(
                f'read_failure is {kind!r}; allowed: {", ".join(READ_FAILURES)}')
        self._read_failure = kind

    def fail_motor(self, joint: str, error_bits: int = 0x20) -> None:
        """Raise a hardware error (0x20 overload) in a motor; usually it loses its torque.

        Raises:
            UnknownTarget: If there is no such joint.
        """
        for target in self._motors.joints('single', joint):
            self._motors.by_joint[target].fail(error_bits)

    def crash(self, reason: str) -> None:
        """Let the driver's process die."""
        self.crash_reason = reason
        self._log('fatal', f'the driver process died: {reason}')

    def restart(self) -> None:
        """Start the driver's process anew: torque on, modes and profiles as at bring-up."""
        self.crash_reason = self._trajectory = None
        self._agenda.clear()
        self.busy_until_ns = 0
        for waiting in self._waiting.values():
            waiting.clear()
        self._motors.bring_up()

    def is_busy(self, now_ns: int) -> bool:
        """Whether the driver's one thread is occupied."""
        return now_ns < self.busy_until_ns

    def rest_at(self, readings: MotorReadings) -> None:
        """Take a pose into which the simulation put the arm; goals move there, motion ends."""
        self._measure(readings)
        self._trajectory = None
        while self._agenda:
            self._agenda.popleft()[1]()
        self.busy_until_ns = 0
        for motor in self._motors.by_joint.values():
            motor.rest()

    def step(self, now_ns: int, readings: MotorReadings, period_s: float) -> MotorGoals:
        """Do what is due by `now_ns`, and return what the motors aim at for the next period."""
        self._measure(readings)
        while self._agenda and self._agenda[0][0] <= now_ns:
            self._agenda.popleft()[1]()
        if self.crash_reason is None and not self.is_busy(now_ns):
            self._work(now_ns)
        aims = [motor.aim(period_s) for motor in self._motors.by_joint.values()]
        positions, ceilings = np.array(aims).T
        return MotorGoals(positions_rad=positions, ceilings_ma=ceilings)

    def joint_states(self, now_ns: int) -> JointStates | None:
        """Return the joint state message of now; None while the driver is busy or dead."""
        if self.crash_reason is not None or self.is_busy(now_ns):
            return None
        return read_joint_states(
            self.arm, (motor.registers for motor in self._motors.by_joint.values()),
            read_failure=self._read_failure)

    def _answer(self, serve: Callable[[], _Answer], otherwise: _Answer) -> _Answer:
        if self.crash_reason is not None:
            return otherwise
        try:
            return serve()
        except UnknownTarget as error:
            self._log('error', str(error))
            return otherwise

    def _receive(self, topic: str, now_ns: int, act: Callable[[int], None]) -> None:
        if self.crash_reason is None:
            self._waiting[topic].append(act)
            # An unfinished agenda ends with torque on, which would erase a goal written before.
            if not self.is_busy(now_ns) and not self._agenda:
                self._work(now_ns)

    def _work(self, now_ns: int) -> None:
        try:
            for waiting in self._waiting.values():
                while waiting:
                    waiting.popleft()(now_ns)
            self._play_trajectory(now_ns)
        except DriverCrash as crash:
            self.crash(str(crash))

    def _write(self, cmd_type: str, name: str, values: Sequence[float]) -> None:
        try:
            self._motors.command(cmd_type, name, values)
        except UnknownTarget as error:
            self._refuse(cmd_type, error)

    def _refuse(self, cmd_type: str, error: UnknownTarget) -> None:
        if self._is_strict and cmd_type == 'group':
            raise DriverCrash(str(error)) from error
        self._log('error', str(error))

    def _start_trajectory(self, now_ns: int, cmd_type: str, name: str,
                          points: Sequence[TrajectoryPoint]) -> None:
        if self._trajectory is not None and not self._trajectory.is_over(now_ns):
            self._log('warn', 'trajectory rejected: joints are still moving')
        elif len(points) < 2:
            self._log('warn', f'trajectory of {len(points)} points rejected: 2 are needed')
        else:
            self._compare_start(cmd_type, name, points[0])
            self._trajectory = TrajectoryPlayer(
                cmd_type, name, points, start_ns=now_ns, timing=self._timing)

    def _compare_start(self, cmd_type: str, name: str, first: TrajectoryPoint) -> None:
        try:
            joints = self._motors.joints(cmd_type, name)
        except UnknownTarget:
            return
        if len(first.positions) == len(joints):
            for joint, start in zip(joints, first.positions):
                raw = self._motors.by_joint[joint].registers['Present_Position']
                if abs(angle_from_raw(raw) - start) >= _SAME_POSITION_RAD:
                    self._log('warn', f'trajectory starts away from the present {joint}')

    def _play_trajectory(self, now_ns: int) -> None:
        playing = self._trajectory
        # Another command type is accepted too: it moves nothing and blocks the next trajectory.
        if playing is not None:
            for point in playing.due_points(now_ns):
                if playing.cmd_type in ('group', 'single'):
                    self._write_point(playing.cmd_type, playing.name, point)

    def _write_point(self, cmd_type: str, name: str, point: TrajectoryPoint) -> None:
        try:
            values = point.values(self._motors.mode(cmd_type, name))
        except UnknownTarget as error:
            self._refuse(cmd_type, error)
            return
        if cmd_type == 'single':
            if len(values) == 0:
                raise DriverCrash(f'trajectory point for {name!r} holds no value')
            values = values[:1]
        self._write(cmd_type, name, values)

    def _occupy(self, now_ns: int, duration_ns: int) -> None:
        self.busy_until_ns = max(now_ns, self.busy_until_ns) + duration_ns

    def _torque_on(self, joints: Sequence[str]) -> None:
        for joint in joints:
            self._motors.torque_enable('single', joint, True)

    def _measure(self, readings: MotorReadings) -> None:
        rows = zip(readings.positions_rad.tolist(), readings.velocities_rad_s.tolist(),
                   readings.efforts_ma.tolist())
        for motor, row in zip(self._motors.by_joint.values(), rows):
            motor.measure(*row)
