# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy evaluate`: how often a policy succeeds on the simulated robot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table
import tyro

from cosmos_policy_ros.cli.task_name import TaskName
from cosmos_policy_ros.evaluation.evaluation_result import EvaluationResult

RESULT_NAME = 'evaluation.json'


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """What to evaluate.

    Attributes:
        policy: Who drives: `cosmos` (a checkpoint) or `scripted` (the expert of the simulation).
        checkpoint: Folder of a checkpoint, or the name of one in models/.
        planning_checkpoint: Checkpoint that imagines and values in planning mode; empty for the
            same one.
        task: Task of the simulated robot.
        episodes: Episodes; each has the seed after that of the one before.
        seed: Seed of the first episode.
        latency_s: How long an answer takes in virtual time in [s]; the arms move on meanwhile.
        mode: How a chunk is chosen: `direct`, or `planning` (the best of several).
        num_candidates: Chunks to choose from in planning mode.
        candidate_spread: How far all of them but the first are moved at random (standard
            deviation) in [rad].
        common_noise: Imagine and value all candidates with the same noise, so that their values
            differ by what they do alone.
        is_joint: Take the value that comes with a chunk, instead of imagining on.
        value_kind: What values a candidate otherwise, as the parameter of policy_node.
        num_futures: Futures imagined for each candidate.
        num_values: Values of each future.
        value_aggregation: How the values of a candidate become one.
        search_depth: Chunks to look ahead.
        denoising_steps: Denoising steps of a chunk.
        future_steps: Denoising steps of a future, as many as of a chunk if left out; one step
            gives the mean of all that may come.
        value_steps: The same of a value.
        execution_horizon: Steps of a chunk after which the next query is due; 0 for as late as
            the latency permits.
        strategy: How chunks follow one another, as the parameter of arm_node.
        blend_s: Time over which a chunk takes over from its predecessor in [s].
        policy_seed: Seed of the policy's noise, as the parameter `seed` of policy_node.
        fresh_noise: Draw the noise of every query anew, as the parameter of policy_node.
        exploration: How far every chunk is moved at random (standard deviation) in [rad], so that
            rollouts show what comes of it; for training, not for judging a policy.
        timeout_s: Virtual time after which an episode has failed in [s].
        live: Run over real topics in real time instead, all nodes as processes. The latency is
            then what it is; workers and latency_s do not apply, exploration, record and videos
            are refused.
        workers: Processes; each takes one core and loads the policy once. 0 takes this one.
        device: Torch device; auto takes a GPU where there is one.
        videos: Which episodes to film.
        max_videos: Most videos to make.
        record: Folder that receives every rollout as an episode, labelled with its outcome.
        recorded_image_rate_hz: Images of each camera that are recorded in [Hz], a whole fraction
            of 25. Fewer record in a fraction of the time; train on them with max-image-age-s 0.02.
        output: Folder that receives evaluation.json and the videos; by default one per run in
            `evaluations`.
        robot: Robot preset, a file name in config/robots.
    """

    policy: Literal['cosmos', 'scripted'] = 'cosmos'
    checkpoint: str = 'aloha_small'
    planning_checkpoint: str = ''
    task: TaskName = 'transfer_cube'
    episodes: int = 100
    seed: int = 5000
    latency_s: float = 0.15
    mode: Literal['direct', 'planning'] = 'direct'
    num_candidates: int = 8
    candidate_spread: float = 0.0
    common_noise: bool = False
    is_joint: bool = False
    value_kind: str = 'v_next'
    num_futures: int = 1
    num_values: int = 1
    value_aggregation: str = 'average'
    search_depth: int = 1
    denoising_steps: int = 5
    future_steps: int | None = None
    value_steps: int | None = None
    execution_horizon: int = 25
    strategy: str = 'async_blend'
    blend_s: float = 0.3
    policy_seed: int = 195
    fresh_noise: bool = False
    exploration: float = 0.0
    timeout_s: float = 20.0
    live: bool = False
    workers: Annotated[int, tyro.conf.arg(aliases=['-j'])] = 1
    device: str = 'auto'
    videos: Literal['none', 'failures', 'successes', 'all'] = 'none'
    max_videos: int = 10
    record: Path | None = None
    recorded_image_rate_hz: float = 25.0
    output: Annotated[Path | None, tyro.conf.arg(aliases=['-o'])] = None
    robot: str = 'interbotix'


def evaluate(options: EvaluateOptions) -> int:
    """Run a policy in closed loop on the simulated robot, and count its successes.

    Needs no ROS graph and no real time: observations, chunks, arm controller, safety limits and
    drivers are those of the nodes, on a virtual clock. The same seeds give the same result; what
    `cosmos-policy compare` needs of two of them is that they ran the same seeds.
    """
    from cosmos_policy_ros.cli.evaluation_run import run_evaluation
    console = Console()
    output = options.output or Path('evaluations') / datetime.now().strftime('%Y%m%d-%H%M%S')
    result = run_evaluation(options, output, console)
    result.save(output / RESULT_NAME)
    _print(console, result, output)
    return 0


def _print(console: Console, result: EvaluationResult, output: Path) -> None:
    low, high = result.interval
    cost = result.cost_per_virtual_s
    table = Table(title=f'{escape(result.policy)} on {result.settings["task"]}', show_header=False)
    table.add_row('success', f'{result.num_successes} of {len(result.rollouts)} = '
                             f'{result.success_rate:.0%} (95 %: {low:.0%} to {high:.0%})')
    table.add_row('mean score', f'{result.mean_score:.2f}')
    if result.success_time_s is not None:
        table.add_row('time to success', f'{result.success_time_s:.1f} s')
    for stage, count in result.stages.items():
        table.add_row('failed', f'{count} as far as {stage!r}')
    ranking = result.value_ranking
    if ranking is not None:
        table.add_row('value', f'of a success above that of a failure in {ranking:.0%} of pairs')
    if result.value_spread is not None:
        motion = ('' if result.chunk_spread is None
                  else f', {result.chunk_spread:.4f} rad in motion (rms)')
        table.add_row('candidates',
                      f'{result.value_spread:.4f} apart in value{motion}; medians of plans')
    if result.imagined_share is not None:
        table.add_row('world model', f'follows {result.imagined_share:.0%} of what sets the ends '
                                     'of candidates apart; median of plans')
    for reason, count in _stops(result).items():
        table.add_row('arms stopped', f'{count}: {escape(reason)}')
    if not result.settings['is_live']:
        table.add_row('inference', f'{result.inference_per_query_s * 1e3:.0f} ms a query')
        table.add_row('cost of 1 s', f'physics {cost.physics_s * 1e3:.0f} ms, images '
                                     f'{cost.rendering_s * 1e3:.0f} ms, inference '
                                     f'{cost.inference_s * 1e3:.0f} ms')
    console.print(table)
    console.print(f'  result {output / RESULT_NAME}', highlight=False, soft_wrap=True)
    videos = sorted((output / 'videos').glob('*.mp4'))
    if videos:
        console.print(f'  videos {videos[0].parent} ({len(videos)})', highlight=False,
                      soft_wrap=True)


def _stops(result: EvaluationResult) -> dict[str, int]:
    reasons = [rollout.stop_reason.split(':')[0] for rollout in result.rollouts
               if rollout.stop_reason]
    return {reason: reasons.count(reason) for reason in sorted(set(reasons))}
