# SPDX-License-Identifier: Apache-2.0
"""Demonstrations of the scripted expert in virtual time, recorded as the recorder node would.

The arms are disturbed on their way: what the motors get is the expert's command plus a smooth
random offset that nobody is told of. The recorded commands are the expert's, so that from every
disturbed state they lead back to what the expert wants (Laskey et al., "DART: Noise Injection for
Robust Imitation Learning", 2017). The offset is recorded too, under `DISTURBANCE_TOPIC`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
import math
from pathlib import Path
from shutil import rmtree

import numpy as np

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.evaluation.episode_topics import EpisodeTopics
from cosmos_policy_ros.evaluation.virtual_cameras import VirtualCameras
from cosmos_policy_ros.evaluation.virtual_recorder import VirtualRecorder
from cosmos_policy_ros.evaluation.virtual_robot import START_NS, VirtualRobot
from cosmos_policy_ros.recording.episode import EpisodeLabel, EpisodeMetadata, Outcome
from cosmos_policy_ros.recording.writer import EpisodeWriter
from cosmos_policy_ros.simulation.disturbance import SmoothDisturbance
from cosmos_policy_ros.simulation.expert import Expert
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.aloha import CHUNK_PERIOD_S
from cosmos_policy_ros.spec.robot import RobotSpec

ATTEMPTS, FAILURES = 'attempts', 'failures'
DISTURBANCE_TOPIC = '/simulated_aloha_node/disturbance'

_PERIOD_NS = round(CHUNK_PERIOD_S * 1e9)
_RATE_HZ = 1 / CHUNK_PERIOD_S
# So high above the cube's middle the fingers close on nothing and move nothing.
_MISS_M = (0.05, 0.06)
_CORRELATION_S = 0.25
# After success the arms are shown at rest for a moment, so that a policy learns to stay.
_AFTERGLOW_NS = 480_000_000


@dataclass(frozen=True, kw_only=True)
class DemonstrationSettings:
    """How demonstrations are made.

    Attributes:
        task: Name of the simulated task.
        max_disturbance_rad: Largest standard deviation of the offset in [rad]; each episode draws
            its own between 0 and this.
        miss_share: Share of demonstrations that close too early first, above the cube, and notice
            when they are to hand it over, as a hurried operator does.
        takes: How often every scene is shown. That share of its takes misses, and begins as one
            that does not, so that one image is followed by different actions. Takes that decide
            alike are disturbed differently.
        recorded_image_rate_hz: Images of each camera in [Hz], a whole fraction of 25; drawing them
            is most of what a demonstration costs.
        wait_s: How long the expert stands still first in [s].
        software_version: Version of this package.

    Raises:
        ConfigurationError: If a share, a number or a rate is impossible.
    """

    task: str
    max_disturbance_rad: float = 0.03
    miss_share: float = 0.0
    takes: int = 1
    recorded_image_rate_hz: float = 25.0
    wait_s: float = 0.1
    software_version: str

    def __post_init__(self) -> None:
        if not 0 <= self.miss_share < 1:
            raise ConfigurationError(
                f'miss_share is {self.miss_share}; a share from 0 to below 1 is required')
        if self.takes < 1:
            raise ConfigurationError(f'takes is {self.takes}; at least 1 is required')
        if self.takes > 1 and not self.miss_share:
            raise ConfigurationError(
                f'takes is {self.takes}, and without misses they are all the same; give a '
                'miss_share')
        if not (0 < self.recorded_image_rate_hz < math.inf and math.isclose(
                self.steps_per_image * self.recorded_image_rate_hz, _RATE_HZ, rel_tol=1e-6)):
            raise ConfigurationError(
                f'recorded_image_rate_hz is {self.recorded_image_rate_hz:g}; the {_RATE_HZ:g} '
                'steps a second must be a whole multiple of it')

    @property
    def steps_per_image(self) -> int:
        """Every how manieth step is seen."""
        return round(_RATE_HZ / self.recorded_image_rate_hz)


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """What became of one demonstration.

    Attributes:
        path: Folder of the recorded episode.
        seed: Its seed.
        is_success: Whether the task was done by its strict rule.
        duration_s: Virtual duration in [s].
    """

    path: Path
    seed: int
    is_success: bool
    duration_s: float


class Demonstrator:
    """Records one demonstration after the other; one per process, used from one thread."""

    def __init__(
        self, robot: RobotSpec, topics: EpisodeTopics, settings: DemonstrationSettings,
    ) -> None:
        """Build the simulated robot and its cameras."""
        self._spec, self._topics, self._settings = robot, topics, settings
        self._robot = VirtualRobot(robot, settings.task)
        self._expert = Expert(robot, self._robot.simulation.model, settings.task)
        self._cameras = VirtualCameras(robot, self._robot.simulation)

    def record(self, directory: Path, seed: int, take: int = 0) -> Demonstration:
        """Record a demonstration of a seed.

        Args:
            directory: Folder that receives the episode; failures go to `failures` inside it.
            seed: Seed of scene, disturbance and sensor noise.
            take: Which of its takes, from 0.

        Raises:
            RecordingError: If the episode exists or the disk refuses.
            PredictionError: If the expert cannot reach what it needs.
        """
        plan = self._plan(seed, take)
        name = episode_name(seed, take)
        # What an interrupted run left of this attempt comes out the same again.
        for left in (directory / ATTEMPTS).glob(f'{name}*'):
            rmtree(left)
        writer = EpisodeWriter(directory / ATTEMPTS, self._metadata(seed), name=name)
        try:
            is_success = self._perform(plan, self._disturbance(plan, seed, take), seed, writer)
        except BaseException:
            writer.discard()
            raise
        label = EpisodeLabel(outcome=Outcome.SUCCESS if is_success else Outcome.FAILURE,
                             score=float(is_success), note=self._robot.status.stage_name)
        attempt = writer.finish(label, ended_ns=self._robot.now_ns)
        path = (directory if is_success else directory / FAILURES) / attempt.name
        path.parent.mkdir(exist_ok=True)
        attempt.rename(path)
        with suppress(OSError):
            attempt.parent.rmdir()
        return Demonstration(path=path, seed=seed, is_success=is_success,
                             duration_s=(self._robot.now_ns - START_NS) / 1e9)

    def close(self) -> None:
        """Free the cameras."""
        self._cameras.close()

    def _plan(self, seed: int, take: int) -> np.ndarray:
        self._robot.simulation.reset(seed=seed, now_ns=0)
        return self._expert.plan(
            self._robot.simulation.object_poses(), wait_s=self._settings.wait_s,
            misses_m=self._misses_m(seed, take))

    def _misses_m(self, seed: int, take: int) -> list[float]:
        return draw_misses(
            seed, self._settings.miss_share, take_share=take / self._settings.takes)

    def _metadata(self, seed: int) -> EpisodeMetadata:
        return EpisodeMetadata(
            task=self._robot.simulation.task_text, robot=self._spec.name, mode='scripted',
            checkpoint='scripted', seed=seed, software_version=self._settings.software_version,
            started_ns=START_NS)

    def _perform(
        self, plan: np.ndarray, disturbance: SmoothDisturbance, seed: int, writer: EpisodeWriter,
    ) -> bool:
        recorder = VirtualRecorder(writer, self._spec, self._topics)
        self._cameras.reset(seed)
        self._robot.reset(seed, listeners=(recorder,), disturbance=disturbance)
        self._look(recorder)
        self._robot.submit(
            ActionChunk(positions=plan[1:], stamp_ns=START_NS, period_ns=_PERIOD_NS))
        end_ns = START_NS + (len(plan) + 12) * _PERIOD_NS
        while self._robot.now_ns < end_ns:
            self._robot.advance()
            steps, rest_ns = divmod(self._robot.now_ns - START_NS, _PERIOD_NS)
            if rest_ns == 0:
                if steps % self._settings.steps_per_image == 0:
                    self._look(recorder)
                recorder.write_joints(
                    DISTURBANCE_TOPIC, disturbance(self._robot.now_ns), self._robot.now_ns)
            if self._robot.status.is_success:
                end_ns = min(end_ns, self._robot.now_ns + _AFTERGLOW_NS)
        return self._robot.status.is_success

    def _disturbance(self, plan: np.ndarray, seed: int, take: int) -> SmoothDisturbance:
        misses_m = self._misses_m(seed, take)
        num_alike = sum(self._misses_m(seed, before) == misses_m for before in range(take))
        sigma_rad = np.random.default_rng([seed, 1]).uniform(
            0.0, self._settings.max_disturbance_rad)
        return SmoothDisturbance(
            self._spec, plan, start_ns=START_NS, period_ns=_PERIOD_NS, sigma_rad=sigma_rad,
            correlation_s=_CORRELATION_S, seed=[seed, num_alike] if num_alike else seed)

    def _look(self, recorder: VirtualRecorder) -> None:
        snapshot = self._robot.snapshot()
        for camera in self._cameras.names:
            recorder.write_image(
                camera, self._cameras.render(snapshot, camera), snapshot.stamp_ns)


def episode_name(seed: int, take: int = 0) -> str:
    """Return the name of a demonstration: `episode_001000`, its next take `episode_001000_2`."""
    return f'episode_{seed:06d}' + (f'_{take + 1}' if take else '')


def draw_misses(seed: int, miss_share: float, *, take_share: float = 0.0) -> list[float]:
    """How far above the cube a demonstration closes in vain first, in [m]; empty if it does not.

    Args:
        seed: Seed of the draw.
        miss_share: Share of demonstrations that miss first.
        take_share: Number of the take over that of all, from 0 to below 1. Takes are a systematic
            sample, as near to `miss_share` as their number allows; all that miss miss alike.
    """
    random = np.random.default_rng([seed, 2])
    is_miss = (random.random() + take_share) % 1 < miss_share
    return [random.uniform(*_MISS_M)] if is_miss else []
