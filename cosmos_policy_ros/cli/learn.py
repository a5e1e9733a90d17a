# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy learn`: the whole loop on a laptop, from demonstrations to planning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from rich.console import Console
import tyro

from cosmos_policy_ros.cli.stopped import say_stopped
from cosmos_policy_ros.cli.task_name import TaskName

# The model that ships with trained weights, and what to say instead of its name for others.
_TRAINED, _RANDOM = 'aloha_small', 'random'
_MISS_SHARE = 0.35


@dataclass(frozen=True, kw_only=True)
class LearnOptions:
    """What to learn, and how much of everything.

    Attributes:
        output: Folder of all results. The same command goes on with what it holds.
        task: Task of the simulated robot.
        demonstrations: Demonstrations of the scripted expert.
        miss_share: Share of them that close too early first, above the cube, and notice when they
            are to hand it over, as a hurried operator does. 0.35 if left out, 0 in insertion.
        takes: How often every scene is shown, alike at first; with misses, what one image is
            followed by differs then, and planning has something to choose from. 2 if left out, 1
            without misses.
        demonstration_image_rate_hz: Images of each camera that a demonstration keeps in [Hz], a
            whole fraction of 25; drawing them is most of what it costs.
        sigma_min: Noise level that chunks are sampled down to, and about which the policy is
            trained; None takes that of `config`. Well below the 4 of aloha_small, chunks differ
            as the demonstrations do, where otherwise they are their mean.
        minutes: Time of the training in [min]; 0 takes the weights of `init` as they are.
        polish_minutes: Time for which the trained policy then learns mostly chunks (85 % of the
            samples), at half the learning rate, in [min]; 0 leaves that out.
        init: Checkpoint to begin with, or random; aloha_small if left out and `config` is that.
        episodes: Episodes of every evaluation, all on the same seeds.
        rollouts: Rollouts of the trained policy, successes and failures, to refine on.
        exploration: How far every chunk of the rollouts is moved at random (standard deviation)
            in [rad], so that the value learns what comes of moving it.
        rollout_timeout_s: Virtual time of a rollout in [s]: longer than an evaluation's, so that
            what is about to succeed is not told to be a failure.
        rollout_image_rate_hz: Images of each camera that a recorded rollout keeps in [Hz], a whole
            fraction of 25; drawing them is most of what recording costs.
        refinement_minutes: Time of each refinement in [min].
        candidates: Chunks that planning chooses from.
        candidate_spread: How far all of them but the first are moved at random (standard
            deviation) in [rad].
        q: Also refine a second copy whose value sees present and action but no future (Q), and
            plan with that: the comparison without a world model.
        videos: Film a success, a failure, and a seed that only planning solved.
        quick: See the loop in minutes: at most 4 demonstrations, half a minute of every training,
            4 episodes, 6 rollouts and 2 candidates; of the transfer tasks the easy one. The
            figures mean nothing then.
        timeout_s: Virtual time after which an episode has failed in [s].
        denoising_steps: Denoising steps of a chunk.
        future_steps: Denoising steps of an imagined future; one step gives the mean of all that
            may come, and the fastest plan.
        value_steps: The same of a value.
        demonstration_seed: Seed of the first demonstration.
        rollout_seed: Seed of the first rollout.
        evaluation_seed: Seed of the first episode of every evaluation.
        training_seed: Seed of first weights and of training samples.
        config: Known model, or path of a config.json, that says what is trained.
        workers: Processes that collect and evaluate; each takes one core. 0 evaluates in this one.
        threads: CPU threads of each training process.
        processes: CPU processes that share every batch: two with a thread each train the small
            model a quarter faster than one with two threads.
        device: Torch device; auto takes a GPU where there is one.
    """

    output: Annotated[Path, tyro.conf.arg(aliases=['-o'])] = Path('learning')
    task: TaskName = 'transfer_cube_hard'
    demonstrations: int = 400
    miss_share: float | None = None
    takes: int | None = None
    demonstration_image_rate_hz: float = 5.0
    sigma_min: float | None = 2.0
    minutes: float = 75.0
    polish_minutes: float = 53.0
    init: str | None = None
    episodes: int = 100
    rollouts: int = 120
    exploration: float = 0.0
    rollout_timeout_s: float = 30.0
    rollout_image_rate_hz: float = 5.0
    refinement_minutes: float = 20.0
    candidates: int = 8
    candidate_spread: float = 0.0
    q: bool = True
    videos: bool = True
    quick: bool = False
    timeout_s: float = 20.0
    denoising_steps: int = 5
    future_steps: int = 1
    value_steps: int = 1
    demonstration_seed: int = 1000
    rollout_seed: int = 20000
    evaluation_seed: int = 5000
    training_seed: int = 0
    config: str = _TRAINED
    workers: Annotated[int, tyro.conf.arg(aliases=['-j'])] = 2
    threads: int = 2
    processes: int = 1
    device: str = 'auto'


def learn(options: LearnOptions) -> int:
    """Close the loop: demonstrate, train, fail, refine on the failures, plan, and compare.

    Collects demonstrations of the scripted expert in simulation, trains a small policy with its
    world model and value, evaluates it, records rollouts of it, refines a copy on demonstrations
    and rollouts, and evaluates four ways to choose chunks on the same unseen seeds: directly, by
    planning with the policy's own world model, with the refined one, and with a refined Q value.
    report.md and report.json in the output folder say how often each succeeded, how sure the
    differences are, and what planning costs.

    Needs no ROS graph and no GPU. The defaults take hours on two cores. Ctrl-C stops at any time:
    what is done stays done, and the same command goes on.
    """
    from cosmos_policy_ros.cli.experiments.learning_plan import run_learning
    console = Console()
    try:
        run_learning(filled_in(quick(options) if options.quick else options), console)
    except KeyboardInterrupt:
        return say_stopped(console, options.output)
    return 0


def quick(options: LearnOptions) -> LearnOptions:
    """Return options with which every stage is tiny."""
    is_transfer = options.task.startswith('transfer_cube') and options.config == _TRAINED
    return replace(
        options, demonstrations=min(4, options.demonstrations), minutes=min(0.5, options.minutes),
        polish_minutes=min(0.5, options.polish_minutes),
        episodes=min(4, options.episodes), rollouts=min(6, options.rollouts),
        refinement_minutes=min(0.5, options.refinement_minutes),
        candidates=min(2, options.candidates),
        task='transfer_cube' if is_transfer else options.task)


def filled_in(options: LearnOptions) -> LearnOptions:
    """Return options with what was left out as it suits the task and the model."""
    miss_share = options.miss_share
    if miss_share is None:
        miss_share = 0.0 if options.task == 'insertion' else _MISS_SHARE
    init = options.init or (_TRAINED if options.config == _TRAINED else _RANDOM)
    return replace(
        options, miss_share=miss_share, init=None if init == _RANDOM else init,
        takes=(2 if miss_share else 1) if options.takes is None else options.takes)
