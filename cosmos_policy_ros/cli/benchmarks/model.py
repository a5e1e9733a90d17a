# SPDX-License-Identifier: Apache-2.0
"""Time of one query of the model, by denoising steps, and the memory that it takes."""

from __future__ import annotations

import os
import time

import numpy as np
import psutil
import torch

from cosmos_policy_ros.cli.benchmarks.figures import Figure, spread
from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy
from cosmos_policy_ros.spec.aloha import ALOHA
from cosmos_policy_ros.spec.observation import Observation

STEPS = (1, 5, 10)
CHUNK_LIMIT_MS = 500.0
MEMORY_LIMIT_MB = 1500.0


def measure_model(*, checkpoint: str = 'aloha_small', device: str = 'cpu', repeats: int = 10,
                  ) -> list[Figure]:
    """Time whole queries, encode included, after a warm-up.

    The aims hold for the small default model with 5 steps on a CPU.
    """
    torch.set_num_threads(1)
    policy = CosmosPolicy.load(checkpoint, device=device)
    observation = _observation(policy)
    is_default = checkpoint == 'aloha_small' and device == 'cpu'
    figures = []
    for steps in STEPS:
        policy.predict(observation, 0, num_denoising_steps=steps)
        samples_ms = [_time_query(policy, observation, steps) for _ in range(repeats)]
        figures += spread(
            f'{checkpoint} on {device}, {steps} steps', samples_ms, 'ms',
            p99_limit=CHUNK_LIMIT_MS if is_default and steps == 5 else None)
    with_images_ms = [_time_query(policy, observation, 5, with_future_images=True)
                      for _ in range(repeats)]
    figures += spread(f'{checkpoint} on {device}, 5 steps and imagined images', with_images_ms,
                      'ms')
    resident_mb = psutil.Process().memory_info().rss / 1e6
    return [*figures, Figure(name='resident memory of this process', value=resident_mb, unit='MB',
                             limit=MEMORY_LIMIT_MB if is_default else None)]


def infer_forever(checkpoint: str) -> None:
    """Keep one core busy with inference, as a policy node does, until the process is ended."""
    os.nice(10)
    torch.set_num_threads(1)
    policy = CosmosPolicy.load(checkpoint)
    observation = _observation(policy)
    while True:
        policy.predict(observation, 0)


def _observation(policy: CosmosPolicy) -> Observation:
    random = np.random.default_rng(0)
    images = {camera: random.integers(0, 256, (480, 640, 3), np.uint8)
              for camera in policy.camera_names}
    return Observation(images=images, proprio=ALOHA.start_pose, stamp_ns=0,
                       task=policy.known_tasks[0])


def _time_query(policy: CosmosPolicy, observation: Observation, steps: int,
                **options: bool) -> float:
    start_ns = time.monotonic_ns()
    policy.predict(observation, 0, num_denoising_steps=steps, **options)
    return (time.monotonic_ns() - start_ns) / 1e6
