# SPDX-License-Identifier: Apache-2.0
"""How smoothly the arms move over real topics: `blocking` beside `async_blend`, in real time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
import tempfile
import time

import numpy as np
import psutil
from rich.markup import escape
from rich.table import Table

from cosmos_policy_ros.bringup import BringupOptions, describe_bringup, load_preset, NodeSpec
from cosmos_policy_ros.cli.processes import NodeProcesses, stay_on_this_machine
from cosmos_policy_ros.errors import RobotError
from cosmos_policy_ros.evaluation.episode_series import EpisodeSeries
from cosmos_policy_ros.evaluation.episode_topics import episode_topics
from cosmos_policy_ros.evaluation.motion_figures import (
    CONTROL_PERIOD_S, motion_figures, MotionFigures)
from cosmos_policy_ros.nodes.series_probe import SeriesProbe
from cosmos_policy_ros.robot.motion_settings import Strategy
from cosmos_policy_ros.robot.query_schedule import idle_share
from cosmos_policy_ros.spec.aloha import CHUNK_PERIOD_S, CHUNK_SIZE

DOMAIN_ID = '96'
LIVE_LATENCIES_S = (0.95, 4.9)
LIVE_STRATEGIES = (Strategy.BLOCKING, Strategy.ASYNC_BLEND)
SWAY = 'sway'
CHUNK_S = CHUNK_SIZE * CHUNK_PERIOD_S
STARTUP_TIMEOUT_S = 90.0
START_TIMEOUT_S = 20.0
# Rendering takes the processor away from what is measured, and motion is what is judged here.
IMAGE_RATE_HZ = 10.0
IMAGE_FRESHNESS = {'max_image_age_s': 2.0, 'max_image_skew_s': 1.0}
# Answers whose median tells how long inference itself takes.
OWN_ANSWERS = 5
ARM_CORES_LIMIT = 0.25
ARM_MEMORY_LIMIT_MB = 120.0


@dataclass(frozen=True, kw_only=True)
class LiveMotion:
    """What one strategy did at one latency.

    Attributes:
        policy: Whose chunks it was.
        strategy: How chunks followed one another.
        asked_latency_s: What the latency was to be in [s].
        least_idle_share: Share of time without motion that no schedule of one query at a time
            goes below at that latency.
        figures: The motion.
        jitter_ms: Deviation of the time between two commands from the control period: median,
            99th percentile and maximum in [ms].
        arm_cores: Processor time of arm_node per time; 1 is one core all the time.
        arm_memory_mb: Its resident memory in [MB].
        disturbance: Why the arms held before the time was over, or the policy could not observe;
            empty if nothing of that happened.
    """

    policy: str
    strategy: Strategy
    asked_latency_s: float
    least_idle_share: float
    figures: MotionFigures
    jitter_ms: tuple[float, float, float]
    arm_cores: float
    arm_memory_mb: float
    disturbance: str


@dataclass(frozen=True, kw_only=True)
class LiveMotionReport:
    """All of them.

    Attributes:
        motions: In the order in which they ran.
    """

    motions: tuple[LiveMotion, ...]

    @property
    def failures(self) -> list[LiveMotion]:
        """Motions that were disturbed."""
        return [motion for motion in self.motions if motion.disturbance]

    def as_json(self) -> list[dict[str, object]]:
        """Everything, for a file."""
        return [asdict(motion) for motion in self.motions]

    def table(self) -> Table:
        """Return one column per motion."""
        table = Table('figure', *(
            f'{motion.strategy.value}\n{motion.asked_latency_s:g} s' for motion in self.motions))
        for name, tell in _ROWS.items():
            table.add_row(escape(name), *(escape(tell(motion)) for motion in self.motions))
        table.caption = (
            'least: what no schedule of one query at a time goes below. Steps: 99th percentiles '
            'from one command to the next, of the worst joint of an arm. Jitter: deviation of '
            'the time between two commands from 20 ms.')
        return table


def measure_live_motion(
    *, checkpoint: str = 'aloha_small', latencies_s: Sequence[float] = LIVE_LATENCIES_S,
    duration_s: float = 60.0, seed: int = 0, on_step: Callable[[str], None] = lambda text: None,
) -> LiveMotionReport:
    """Run robot, policy and arms, and let the arms move by each strategy at each latency.

    Args:
        checkpoint: The model, a folder or a name; `sway` for a policy that sways for ever.
        latencies_s: From an observation to the receipt of its chunk in [s]; what inference takes
            less is waited for.
        duration_s: How long each moves in [s]; at least two chunks and their inference.
        seed: Seed of the scene.
        on_step: Told before each motion what it is.

    Raises:
        CosmosPolicyError: If a node ends, or a service refuses.
    """
    with _running(checkpoint, seed) as (probe, processes):
        motions = []
        own_s = _Rehearsal(probe, processes, seed).own_latency_s()
        for latency_s in latencies_s:
            for strategy in LIVE_STRATEGIES:
                on_step(f'{strategy.value}, {latency_s:g} s')
                motions.append(_Rehearsal(probe, processes, seed).move(
                    strategy, latency_s, max(0.0, latency_s - own_s),
                    max(duration_s, 3 * (latency_s + CHUNK_S))))
    return LiveMotionReport(motions=tuple(motions))


class _Rehearsal:
    """One motion of running nodes."""

    def __init__(self, probe: SeriesProbe, processes: NodeProcesses, seed: int) -> None:
        self._probe, self._processes, self._seed = probe, processes, seed

    def own_latency_s(self) -> float:
        """Return how long inference itself takes in [s]."""
        self._begin(Strategy.ASYNC_BLEND, 0.0)
        self._answers(OWN_ANSWERS)
        return float(np.median([
            chunk.latency_s for chunk in self._probe.series().chunks[-OWN_ANSWERS:]]))

    def move(
        self, strategy: Strategy, latency_s: float, delay_s: float, duration_s: float,
    ) -> LiveMotion:
        self._begin(strategy, delay_s)
        self._answers(1)
        arm = psutil.Process(self._processes.process_id('arm_node'))
        start_s, start_cpu_s = time.monotonic(), _cpu_s(arm)
        disturbance = self._watch(duration_s)
        cores = (_cpu_s(arm) - start_cpu_s) / (time.monotonic() - start_s)
        series = self._probe.series()
        return LiveMotion(
            policy=self._probe.status['policy_node'].policy, strategy=strategy,
            asked_latency_s=latency_s,
            least_idle_share=idle_share(Strategy.ASYNC_BLEND, latency_s, CHUNK_S),
            figures=motion_figures(series), jitter_ms=_jitter_ms(series), arm_cores=cores,
            arm_memory_mb=arm.memory_info().rss / 1e6, disturbance=disturbance)

    def _begin(self, strategy: Strategy, delay_s: float) -> None:
        probe = self._probe
        # The last command of the motion before must not move the arms of this one.
        probe.trigger('/policy_node/stop')
        probe.trigger('/arm_node/stop')
        probe.reset_simulation(self._seed)
        probe.set_parameters(
            '/policy_node', strategy=strategy.value, inference_delay_s=delay_s)
        probe.set_parameters('/arm_node', strategy=strategy.value)
        self._start_arms()
        probe.forget()
        probe.trigger('/policy_node/start')

    def _start_arms(self) -> None:
        """Start them as soon as they may: after a reset joint states can be late for a moment."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self._probe.trigger('/arm_node/start')
                return
            except RobotError:
                if time.monotonic() > deadline_s:
                    raise
                self._probe.spin(0.5)

    def _answers(self, count: int) -> None:
        first = self._probe.status['policy_node'].queries
        self._probe.wait_until(
            lambda: self._probe.status['policy_node'].queries >= first + count,
            STARTUP_TIMEOUT_S, f'{count} more chunks', self._processes.check)

    def _watch(self, duration_s: float) -> str:
        """Let the arms move; return what disturbed them, if anything did."""
        deadline_s, problem = time.monotonic() + duration_s, ''
        while time.monotonic() < deadline_s:
            self._probe.spin(0.5)
            self._processes.check()
            arm = self._probe.status['arm_node']
            if arm.state == 'holding':
                return f'{arm.stop_reason}: {arm.detail}'
            problem = problem or self._probe.status['policy_node'].problem
        return problem


@contextmanager
def _running(checkpoint: str, seed: int) -> Iterator[tuple[SeriesProbe, NodeProcesses]]:
    stay_on_this_machine(DOMAIN_ID)
    nodes = _nodes(checkpoint, seed)
    preset = load_preset('interbotix')
    topics = episode_topics(preset.robot, preset.names)
    with tempfile.TemporaryDirectory() as logs:
        with NodeProcesses(nodes, log_directory=Path(logs)) as processes:
            with SeriesProbe(preset.robot, topics) as probe:
                names = {node.name for node in nodes}
                probe.wait_until(lambda: names <= set(probe.status), STARTUP_TIMEOUT_S,
                                 'start-up of all nodes', processes.check)
                yield probe, processes


def _nodes(checkpoint: str, seed: int) -> list[NodeSpec]:
    is_model = checkpoint != SWAY
    parameters = {
        'simulated_aloha_node': {'image_rate_hz': IMAGE_RATE_HZ,
                                 **({} if is_model else {'cameras': ['cam_high']})},
        'policy_node': {'checkpoint': checkpoint} if is_model else {'policy': SWAY}}
    parameters['policy_node'] |= IMAGE_FRESHNESS
    return [replace(node, parameters={**node.parameters, **parameters.get(node.name, {})})
            for node in describe_bringup(BringupOptions(
                sim=True, record=False, start=False, seed=seed))]


def _jitter_ms(series: EpisodeSeries) -> tuple[float, float, float]:
    deviation_ms = 1e3 * np.abs(np.diff(series.control_times_s) - CONTROL_PERIOD_S)
    if not len(deviation_ms):
        return (float('nan'),) * 3
    return tuple(np.percentile(deviation_ms, [50, 99, 100]).tolist())


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _told(value: float | None, form: str) -> str:
    return '–' if value is None else format(value, form)


def _step(steps: tuple[float, float] | None) -> str:
    return _told(None if steps is None else steps[1], '.3f')


_ROWS: dict[str, Callable[[LiveMotion], str]] = {
    'chunks received': lambda motion: str(motion.figures.chunks),
    'latency, median [s]': lambda motion: _told(motion.figures.latency_s, '.2f'),
    'time without motion': lambda motion: _told(motion.figures.idle_share, '.1%'),
    'least possible': lambda motion: _told(motion.least_idle_share, '.1%'),
    'speed step at takeovers, p99 [rad/s]': lambda motion: _step(motion.figures.takeover),
    'speed step elsewhere, p99 [rad/s]': lambda motion: _step(motion.figures.inside),
    'gap of old and new chunk, median [mrad]': lambda motion: _told(
        None if motion.figures.disagreement_rad is None
        else 1e3 * motion.figures.disagreement_rad, '.1f'),
    'jerk, rms, worst joint [rad/s^3]': lambda motion: _told(motion.figures.jerk_rms, '.0f'),
    'tracking error, rms, worst joint [mrad]': lambda motion: _told(
        None if motion.figures.tracking_rms_rad is None
        else 1e3 * motion.figures.tracking_rms_rad, '.1f'),
    'control jitter, median / p99 / max [ms]': lambda motion: ' / '.join(
        f'{jitter:.2f}' for jitter in motion.jitter_ms),
    f'arm_node, cores (aim {ARM_CORES_LIMIT:g})': lambda motion: f'{motion.arm_cores:.2f}',
    f'arm_node, memory (aim {ARM_MEMORY_LIMIT_MB:g} MB) [MB]':
        lambda motion: f'{motion.arm_memory_mb:.0f}',
    'disturbed by': lambda motion: motion.disturbance or '–'}
