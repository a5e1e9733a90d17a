# SPDX-License-Identifier: Apache-2.0
"""Time of queries of the model, direct and planned, and the memory that they take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
import os

import numpy as np
import psutil
import torch

from cosmos_policy_ros.cli.benchmarks.figures import Figure, spread
from cosmos_policy_ros.cli.benchmarks.network import denoiser_call, measure_network
from cosmos_policy_ros.cli.benchmarks.random_checkpoint import random_checkpoint
from cosmos_policy_ros.cli.benchmarks.stopwatch import Stopwatch
from cosmos_policy_ros.diffusion.acceleration import accelerate, Acceleration
from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy
from cosmos_policy_ros.policy.device import choose_device
from cosmos_policy_ros.policy.look_ahead import candidate_pass, look_ahead_passes
from cosmos_policy_ros.policy.network_pass import network_evaluations
from cosmos_policy_ros.policy.planning_settings import PlanningSettings, PUBLISHED_PLANNING
from cosmos_policy_ros.spec.aloha import ALOHA
from cosmos_policy_ros.spec.observation import Observation

STEPS = (1, 5, 10)
PLANS = {
    'best of 8, joint, 10 steps': PlanningSettings(num_denoising_steps_action=10, is_joint=True),
    'best of 8, 1 future, 1 value': PlanningSettings(num_denoising_steps_action=10),
    'published planning': PUBLISHED_PLANNING}
MAX_PLAN_S = 60.0
CHUNK_LIMIT_MS = 150.0
MEMORY_LIMIT_MB = 1500.0
H200_MEMORY_LIMIT_MB = 6000.0
H200_LIMITS_MS = {'1 steps': 40.0, '5 steps': 110.0, '10 steps': 200.0,
                  'best of 8, joint, 10 steps': 1600.0}
"""Aims for the median of the 2B model."""


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """A policy to measure.

    Attributes:
        policy: The policy.
        observation: What it is asked about.
        prefix: Starts the name of each figure.
        is_default: The small model on a CPU, which the aims for 5 steps and memory are for.
        is_2b_on_h200: The 2B model on the GPU that its aims are for.
    """

    policy: CosmosPolicy
    observation: Observation
    prefix: str
    is_default: bool
    is_2b_on_h200: bool


def measure_model(
    *, checkpoint: str = 'aloha_small', device: str = 'cpu', random: bool = False,
    repeats: int = 10, max_plan_s: float = MAX_PLAN_S,
) -> list[Figure]:
    """Time whole queries, encode included, and their parts, all after a warm-up.

    Args:
        checkpoint: Folder of a checkpoint, or the name of a known model.
        device: Torch device; on a CPU one core is used.
        random: Give the model random weights instead of reading any.
        repeats: Samples of each duration; fewer where they take long.
        max_plan_s: Plans that are expected to take longer are left out; their figure says so.
    """
    torch.set_num_threads(1)
    chosen = choose_device(device)
    watch = Stopwatch(chosen, repeats)
    subject = _subject(checkpoint, chosen, random)
    _forget_peak(chosen)
    forward_ms = watch.samples_ms(denoiser_call(subject.policy.model, 1))
    median_ms = float(np.median(forward_ms))
    return [
        *spread(f'{subject.prefix}, denoiser call, batch 1', forward_ms, 'ms'),
        *_direct(subject, watch), _memory(subject, chosen),
        *measure_network(subject.policy.model, watch, subject.prefix, median_ms),
        *_plans(subject, watch, median_ms, max_plan_s)]


def infer_forever(checkpoint: str) -> None:
    """Keep one core busy with inference, as a policy node does, until the process is ended."""
    os.nice(10)
    torch.set_num_threads(1)
    policy = CosmosPolicy.load(checkpoint)
    observation = _observation(policy)
    while True:
        policy.predict(observation, 0)


def _subject(checkpoint: str, device: torch.device, random: bool) -> _Subject:
    policy = _random_policy(checkpoint, device) if random else CosmosPolicy.load(
        checkpoint, device=device)
    gpu = torch.cuda.get_device_name(device) if device.type == 'cuda' else ''
    return _Subject(
        policy=policy, observation=_observation(policy), prefix=f'{checkpoint} on {device}',
        is_default=checkpoint == 'aloha_small' and device.type == 'cpu',
        is_2b_on_h200=checkpoint == 'aloha_2b' and 'H200' in gpu)


def _random_policy(name: str, device: torch.device) -> CosmosPolicy:
    checkpoint = random_checkpoint(name, device)
    accelerate(checkpoint.model, Acceleration.automatic(device))
    return CosmosPolicy(checkpoint)


def _observation(policy: CosmosPolicy) -> Observation:
    random = np.random.default_rng(0)
    images = {camera: random.integers(0, 256, (480, 640, 3), np.uint8)
              for camera in policy.camera_names}
    return Observation(images=images, proprio=ALOHA.start_pose, stamp_ns=0,
                       task=policy.known_tasks[0])


def _direct(subject: _Subject, watch: Stopwatch) -> list[Figure]:
    figures = []
    for steps in STEPS:
        figures += _query(
            subject, watch, f'{steps} steps', num_denoising_steps=steps,
            p99_limit=CHUNK_LIMIT_MS if subject.is_default and steps == 5 else None)
    return figures + _query(subject, watch, '5 steps and imagined images',
                            num_denoising_steps=5, with_future_images=True)


def _plans(
    subject: _Subject, watch: Stopwatch, forward_ms: float, max_plan_s: float,
) -> list[Figure]:
    figures = []
    for name, settings in PLANS.items():
        expected_s = _evaluations(settings) * forward_ms * 1e-3
        if expected_s > max_plan_s:
            figures.append(Figure(name=f'{subject.prefix}, {name}, expected, not measured',
                                  value=expected_s, unit='s'))
        else:
            figures += _query(subject, watch, name, planning=settings)
    return figures


def _evaluations(settings: PlanningSettings) -> int:
    """Return how often a plan evaluates the network, for one sample each."""
    seeds, steps = range(settings.num_candidates), settings.num_denoising_steps_action
    depths = look_ahead_passes(settings, seeds, steps)
    passes = chain([candidate_pass(seeds, steps)], *(depth.passes for depth in depths))
    return sum(network_evaluations(count) for one in passes for count in one.num_steps)


def _query(
    subject: _Subject, watch: Stopwatch, name: str, *, p99_limit: float | None = None,
    **query: object,
) -> list[Figure]:
    samples_ms = watch.samples_ms(
        lambda: subject.policy.predict(subject.observation, 0, **query))
    median, *others = spread(f'{subject.prefix}, {name}', samples_ms, 'ms', p99_limit=p99_limit)
    limit = H200_LIMITS_MS.get(name) if subject.is_2b_on_h200 else None
    return [replace(median, limit=limit), *others]


def _forget_peak(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def _memory(subject: _Subject, device: torch.device) -> Figure:
    """Memory of direct queries so far."""
    if device.type == 'cuda':
        return Figure(
            name=f'{subject.prefix}, peak memory of direct queries', unit='MB',
            value=torch.cuda.max_memory_reserved(device) / 1e6,
            limit=H200_MEMORY_LIMIT_MB if subject.is_2b_on_h200 else None)
    resident_mb = psutil.Process().memory_info().rss / 1e6
    return Figure(name='resident memory of this process', value=resident_mb, unit='MB',
                  limit=MEMORY_LIMIT_MB if subject.is_default else None)
