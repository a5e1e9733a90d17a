# SPDX-License-Identifier: Apache-2.0
"""A policy drives the simulated robot in virtual time, as its node does over topics.

The observation is assembled, the next query scheduled and the chunk executed by the code that the
nodes run. While the policy computes, virtual time stands still; its answer then arrives after the
stated latency, during which the arms have moved on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
import time

from cosmos_policy_ros.evaluation.rollout import ComputeTimes, Rollout, RolloutSettings
from cosmos_policy_ros.evaluation.virtual_cameras import VirtualCameras
from cosmos_policy_ros.evaluation.virtual_recorder import VirtualRecorder
from cosmos_policy_ros.evaluation.virtual_robot import START_NS, VirtualRobot
from cosmos_policy_ros.policy.chunk_variation import chunk_variation
from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.policy.protocol import Policy
from cosmos_policy_ros.policy.query_seed import query_seed
from cosmos_policy_ros.robot.arm_status import ArmStatus
from cosmos_policy_ros.robot.observation_assembler import ObservationAssembler
from cosmos_policy_ros.robot.query_schedule import QuerySchedule
from cosmos_policy_ros.robot.settings import FreshnessLimits, NS_PER_S
from cosmos_policy_ros.simulation.simulated_aloha import SimulatedAloha
from cosmos_policy_ros.simulation.world import WorldSnapshot
from cosmos_policy_ros.spec.plan import Plan
from cosmos_policy_ros.spec.prediction import Prediction
from cosmos_policy_ros.spec.robot import RobotSpec

QUERY_CHECK_NS = 20_000_000


class ClosedLoop:
    """Runs episodes one after the other; one per process, used from one thread.

    Args:
        robot: The robot.
        settings: How the policy is run.
        load_policy: Returns who drives, given the simulated robot; who looks at more of it than
            its cameras show is no policy but an expert.
        clock: Monotonic wall time in [ns], for `Rollout.times` only.

    Attributes:
        policy: Who drives.
    """

    def __init__(self, robot: RobotSpec, settings: RolloutSettings,
                 load_policy: Callable[[SimulatedAloha], Policy], *,
                 clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self._spec, self._settings = robot, settings
        self._robot = VirtualRobot(robot, settings.task, motion=settings.motion)
        self.policy = load_policy(self._robot.simulation)
        self._cameras = VirtualCameras(robot, self._robot.simulation)
        self._clock = clock

    def run(self, seed: int, recorder: VirtualRecorder | None = None) -> Rollout:
        """Run the episode of a seed.

        Args:
            seed: Seed of the scene and of the sensor noise.
            recorder: Writes what happens; None for nobody. It changes nothing.

        Raises:
            CosmosPolicyError: If the policy cannot answer.
        """
        self.policy.reset()
        self._cameras.reset(seed)
        return _Episode(self._spec, self._robot, self._cameras, self.policy, self._settings,
                        recorder, self._clock).run(seed)

    @property
    def task_text(self) -> str:
        """What the policy is told to do."""
        return self._robot.simulation.task_text

    @property
    def mode(self) -> str:
        """Who chooses chunks and how: `direct`, `planning` or `scripted`."""
        return 'scripted' if self.policy.name == 'scripted' else self._settings.mode

    def close(self) -> None:
        """Free the cameras."""
        self._cameras.close()


class _Episode:
    """The state of one run."""

    def __init__(self, spec: RobotSpec, robot: VirtualRobot, cameras: VirtualCameras,
                 policy: Policy, settings: RolloutSettings, recorder: VirtualRecorder | None,
                 clock: Callable[[], int]) -> None:
        self._robot, self._cameras, self._policy = robot, cameras, policy
        self._settings, self._recorder, self._clock = settings, recorder, clock
        self._assembler = ObservationAssembler(spec, policy.camera_names, FreshnessLimits())
        self._schedule = QuerySchedule(settings.query)
        self._image_period_ns = round(NS_PER_S / settings.image_rate_hz)
        self._next_image_ns = self._next_query_ns = START_NS
        self._num_images = 0
        self._pending: tuple[int, Prediction] | None = None
        self._values: list[float] = []
        self._plans: list[Plan] = []
        self._seed = 0
        self._furthest = robot.status
        self._rendering_ns = self._inference_ns = 0

    def run(self, seed: int) -> Rollout:
        began_ns = self._clock()
        self._seed = seed
        self._robot.reset(seed, listeners=() if self._recorder is None else (self._recorder,))
        self._furthest = self._robot.status
        end_ns = START_NS + round(self._settings.timeout_s * NS_PER_S)
        while self._robot.now_ns < end_ns and not self._is_over:
            self._step()
        return self._describe(seed, self._clock() - began_ns)

    @property
    def _is_over(self) -> bool:
        return self._robot.status.is_success or self._arms.is_fault

    @property
    def _arms(self) -> ArmStatus:
        return self._robot.controller.status(self._robot.now_ns)

    def _step(self) -> None:
        now_ns = self._robot.now_ns
        for arm, sample in self._robot.samples.items():
            self._assembler.update_joints(arm, sample, now_ns)
        if now_ns >= self._next_image_ns:
            self._next_image_ns += self._image_period_ns
            self._take_images()
        if self._pending is not None and now_ns >= self._pending[0]:
            self._deliver(self._pending[1])
        is_check_due = (now_ns - START_NS) % QUERY_CHECK_NS == 0
        if is_check_due and self._pending is None and now_ns >= self._next_query_ns:
            self._query()
        self._robot.advance()
        if self._robot.status.stage > self._furthest.stage:
            self._furthest = self._robot.status

    def _take_images(self) -> None:
        """Let the cameras take an image; it is drawn only if somebody looks at it."""
        snapshot = self._robot.snapshot()
        is_recorded = (self._recorder is not None
                       and self._num_images % self._settings.images_per_recorded == 0)
        self._num_images += 1
        drawn = {}

        def look(camera: str) -> object:
            if camera not in drawn:
                drawn[camera] = self._render(snapshot, camera)
            return drawn[camera]

        for camera in self._cameras.names:
            if camera in self._policy.camera_names:
                self._assembler.update_image(
                    camera, partial(look, camera), snapshot.stamp_ns, snapshot.stamp_ns)
            if is_recorded:
                self._recorder.write_image(camera, look(camera), snapshot.stamp_ns)

    def _render(self, snapshot: WorldSnapshot, camera: str) -> object:
        began_ns = self._clock()
        image = self._cameras.render(snapshot, camera)
        self._rendering_ns += self._clock() - began_ns
        return image

    def _query(self) -> None:
        settings, now_ns = self._settings, self._robot.now_ns
        observation = self._assembler.assemble(now_ns, self._robot.simulation.task_text)
        seed = self._noise_seed(observation.stamp_ns)
        began_ns = self._clock()
        prediction = self._policy.predict(
            observation, seed, num_denoising_steps=settings.num_denoising_steps,
            planning=self._planning(seed), with_future_images=self._recorder is not None)
        self._inference_ns += self._clock() - began_ns
        prediction = self._explored(prediction)
        self._values.append(prediction.value)
        plan = prediction.plan
        if plan is not None and plan.value_spread is not None:
            self._plans.append(plan)
        self._pending = now_ns + round(settings.latency_s * NS_PER_S), prediction

    def _noise_seed(self, stamp_ns: int) -> int:
        seed = self._settings.policy_seed
        return query_seed(seed, self._seed, stamp_ns) if self._settings.fresh_noise else seed

    def _planning(self, seed: int) -> PlanningSettings | None:
        """Return how a query is planned; what is imagined in common has its noise by its seed."""
        planning = self._settings.planning
        if planning is None or planning.imagination_seed is None:
            return planning
        return replace(planning, imagination_seed=seed)

    def _explored(self, prediction: Prediction) -> Prediction:
        """Move the chunk at random, as the settings want it."""
        spread, positions = self._settings.exploration, prediction.chunk.positions
        if not spread:
            return prediction
        moved = positions + chunk_variation(
            (self._seed, len(self._values)), positions.shape, spread)
        return replace(prediction, chunk=replace(prediction.chunk, positions=moved))

    def _deliver(self, prediction: Prediction) -> None:
        now_ns, chunk = self._robot.now_ns, prediction.chunk
        self._pending = None
        self._schedule.add_latency((now_ns - chunk.stamp_ns) / NS_PER_S)
        self._next_query_ns = self._schedule.due_ns(chunk, now_ns)
        self._robot.submit(chunk)
        if self._recorder is not None:
            self._recorder.write_prediction(
                prediction, now_ns, task=self._robot.simulation.task_text,
                policy=self._policy.name, is_trained=self._policy.is_trained,
                execution_horizon=self._settings.query.execution_horizon,
                query_index=len(self._values) - 1)

    def _describe(self, seed: int, elapsed_ns: int) -> Rollout:
        status, arms = self._robot.status, self._arms
        is_success = status.is_success
        physics_ns = elapsed_ns - self._rendering_ns - self._inference_ns
        return Rollout(
            seed=seed, is_success=is_success, stage=self._furthest.stage_name,
            score=1.0 if is_success else self._furthest.share,
            duration_s=(self._robot.now_ns - START_NS) / NS_PER_S,
            num_queries=len(self._values), values=tuple(self._values),
            value_spreads=tuple(plan.value_spread for plan in self._plans),
            chunk_spreads=tuple(plan.chunk_spread for plan in self._plans),
            imagined_shares=tuple(plan.imagined_share for plan in self._plans
                                  if plan.imagined_share is not None),
            stop_reason=f'{arms.reason.value}: {arms.detail}' if arms.is_fault else '',
            times=ComputeTimes(
                physics_s=physics_ns / NS_PER_S, rendering_s=self._rendering_ns / NS_PER_S,
                inference_s=self._inference_ns / NS_PER_S))
