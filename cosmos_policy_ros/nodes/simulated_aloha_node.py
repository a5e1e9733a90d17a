# SPDX-License-Identifier: Apache-2.0
"""The simulated robot behind the very same topics, messages and services as the real one."""

from __future__ import annotations

from functools import partial
import threading
import time

from rclpy.node import Node
from std_msgs.msg import Header

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.nodes import lifecycle, qos
from cosmos_policy_ros.nodes.camera_server import CameraServer
from cosmos_policy_ros.nodes.controller_server import ControllerServer
from cosmos_policy_ros.nodes.driver_server import DriverServer
from cosmos_policy_ros.nodes.fault_server import FaultServer
from cosmos_policy_ros.nodes.interfaces import ResetSimulation, SimulationStatusMsg
from cosmos_policy_ros.nodes.leader_server import LeaderServer
from cosmos_policy_ros.nodes.logs import log
from cosmos_policy_ros.nodes.parameter_declaration import declare
from cosmos_policy_ros.nodes.parameters import SimulatedAlohaNodeParameters
from cosmos_policy_ros.nodes.timers import steady_timer
from cosmos_policy_ros.robot.settings import NS_PER_S
from cosmos_policy_ros.simulation.fault_injector import FaultInjector
from cosmos_policy_ros.simulation.simulated_aloha import SimulatedAloha
from cosmos_policy_ros.spec.aloha import robot_spec
from cosmos_policy_ros.spec.robot import RobotSpec

STATUS_PERIOD_S = 1.0
LATE_STEP_S = 0.02
SLOW_SHARE = 0.9


class SimulatedAlohaNode(Node):
    """Physics thread at the joint-state rate, which takes the commands too, and a camera thread.

    Offers per arm what `DriverServer` and, where asked for, `ControllerServer` list, per camera
    what `CameraServer` lists, the service of `FaultServer`, `~/status` SimulationStatus (latched)
    and the service `~/reset` ResetSimulation.
    Parameters: `SimulatedAlohaNodeParameters`.
    """

    def __init__(self, **node_options: object) -> None:
        """Build the robot and start its threads."""
        super().__init__('simulated_aloha_node', **node_options)
        self._params = declare(self, SimulatedAlohaNodeParameters)
        robot = robot_spec(self._params.robot)
        self._simulation = SimulatedAloha(
            robot, log=partial(log, self), task=self._params.task,
            trajectory_timing=self._params.trajectory_timing)
        self._faults = FaultInjector(self._simulation, log=partial(log, self))
        self._drivers = [DriverServer(self, self._simulation, arm.name, self._faults)
                         for arm in robot.arms]
        self._controllers = [
            ControllerServer(self, self._simulation, arm) for arm in robot.arms
            if self._params.trajectory_controller]
        self._leaders = (LeaderServer(self, self._simulation, put_back=self._next_scene)
                         if self._params.leaders else None)
        self._cameras = self._make_cameras(robot) if self._params.render else None
        self._status = self.create_publisher(SimulationStatusMsg, '~/status', qos.STATUS)
        self.create_service(ResetSimulation, '~/reset', self._on_reset)
        FaultServer(self, self._faults, self._drivers,
                    self._params.cameras if self._params.render else ())
        self._reset(self._params.seed)
        self._start_threads()

    def destroy_node(self) -> None:
        """End the threads, then destroy the node."""
        self._should_stop.set()
        if self._cameras is not None:
            self._cameras.stop()
        self._physics.join(timeout=5.0)
        super().destroy_node()

    def _make_cameras(self, robot: RobotSpec) -> CameraServer:
        if not self._params.cameras:
            raise ConfigurationError('parameter cameras is empty; at least one is required')
        return CameraServer(
            self, self._simulation, [robot.camera(name) for name in self._params.cameras],
            self._faults, rate_hz=self._params.image_rate_hz,
            publish_compressed=self._params.publish_compressed)

    def _start_threads(self) -> None:
        self._should_stop = threading.Event()
        self._num_joint_states = 0
        self._remember_rates()
        self._physics = threading.Thread(target=self._run_physics, name='physics', daemon=True)
        self._physics.start()
        if self._cameras is not None:
            self._cameras.start()
        steady_timer(self, STATUS_PERIOD_S, self._on_status_timer)

    def _run_physics(self) -> None:
        period_s = 1 / self._params.joint_state_rate_hz
        start_s, tick = time.monotonic(), 0
        while not self._should_stop.wait(max(0.0, start_s + tick * period_s - time.monotonic())):
            late_s = time.monotonic() - (start_s + tick * period_s)
            self._num_late_steps += late_s > LATE_STEP_S
            # Stamps are of when it was due: a thread that wakes up late measures no later.
            stamp_ns = self._now_ns() - round(late_s * NS_PER_S)
            for driver in self._drivers:
                driver.take_commands()
            self._simulation.advance_to(stamp_ns)
            self._num_joint_states += all(
                [driver.publish_joint_states(stamp_ns) for driver in self._drivers])
            for controller in self._controllers:
                controller.update()
            if self._leaders is not None:
                self._leaders.update(stamp_ns)
            tick = max(tick + 1, int((time.monotonic() - start_s) / period_s))

    def _on_reset(
        self, request: ResetSimulation.Request, response: ResetSimulation.Response,
    ) -> ResetSimulation.Response:
        if request.seed < 0:
            response.message = f'seed is {request.seed}; allowed is 0 or more'
            return response
        self._reset(request.seed)
        response.success, response.message = True, f'reset with seed {request.seed}'
        return response

    def _next_scene(self) -> None:
        self._seed += 1
        self._simulation.reset_objects(self._seed)

    def _reset(self, seed: int) -> None:
        self._seed = seed
        self._num_late_steps = 0
        self._simulation.reset(
            seed=seed, now_ns=self._now_ns(), start_pose=self._params.initial_pose)

    def _remember_rates(self) -> None:
        self._rates_from = (time.monotonic(), self._simulation.stamp_ns, self._num_joint_states,
                            self._num_images)

    @property
    def _num_images(self) -> int:
        return 0 if self._cameras is None else self._cameras.num_images

    @property
    def _requested_image_rate_hz(self) -> float:
        return 0.0 if self._cameras is None else self._params.image_rate_hz

    def _on_status_timer(self) -> None:
        if self._cameras is not None and self._cameras.problem is not None:
            raise self._cameras.problem
        then_s, then_ns, joint_states, images = self._rates_from
        elapsed_s = time.monotonic() - then_s
        task = self._simulation.status
        status = SimulationStatusMsg(
            header=Header(stamp=self.get_clock().now().to_msg()), task=self._simulation.task_text,
            success=task.is_success, stage=task.stage_name, seed=self._seed,
            real_time_factor=(self._simulation.stamp_ns - then_ns) / 1e9 / elapsed_s,
            joint_state_rate_hz=(self._num_joint_states - joint_states) / elapsed_s,
            image_rate_hz=(self._num_images - images) / elapsed_s,
            requested_image_rate_hz=self._requested_image_rate_hz,
            late_steps=self._num_late_steps)
        self._remember_rates()
        self._status.publish(status)
        self._warn_if_slow(status)

    def _warn_if_slow(self, status: SimulationStatusMsg) -> None:
        if status.image_rate_hz < SLOW_SHARE * status.requested_image_rate_hz:
            self.get_logger().warning(
                f'this machine renders {status.image_rate_hz:.1f} of the requested '
                f'{status.requested_image_rate_hz:g} images per second and camera',
                throttle_duration_sec=10.0)
        if status.joint_state_rate_hz < SLOW_SHARE * self._params.joint_state_rate_hz:
            self.get_logger().warning(
                f'this machine reaches {status.joint_state_rate_hz:.0f} of the requested '
                f'{self._params.joint_state_rate_hz:g} joint states per second',
                throttle_duration_sec=10.0)

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds


def main() -> int:
    """Run the node until it is interrupted."""
    return lifecycle.run(SimulatedAlohaNode)


if __name__ == '__main__':
    raise SystemExit(main())
