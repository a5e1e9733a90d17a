# SPDX-License-Identifier: Apache-2.0
"""A second checkpoint that imagines and values: it must speak of the same things as the first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from cosmos_policy_ros.diffusion.checkpoint import Checkpoint
from cosmos_policy_ros.errors import CheckpointError

_SHARED_FIELDS = (
    'layout', 'autoencoder', 'image_size_px', 'camera_resize_px', 'jpeg_round_trip', 'chunk_size',
    'chunk_period_s', 'action_dim', 'proprio_dim', 'text_tokens')


def share_autoencoder(policy: Checkpoint, planning: Checkpoint) -> None:
    """Let the planning model use the policy's autoencoder, and drop its own.

    Raises:
        CheckpointError: If the two differ in anything that latents, chunks, joints and tasks go
            by; the text names it.
    """
    for difference in _differences(policy, planning):
        raise CheckpointError(
            f'planning checkpoint {planning.name!r} does not fit {policy.name!r}: {difference}')
    planning.model.autoencoder = policy.model.autoencoder


def _differences(policy: Checkpoint, planning: Checkpoint) -> Iterator[str]:
    for name in _SHARED_FIELDS:
        ours, theirs = (getattr(one.model.config, name) for one in (policy, planning))
        if ours != theirs:
            yield f'{name} is {theirs} and {ours}'
    yield from _different_tensors(policy, planning)
    yield from _different_statistics(policy, planning)
    yield from _different_tasks(policy, planning)


def _different_tensors(policy: Checkpoint, planning: Checkpoint) -> Iterator[str]:
    theirs = planning.model.state_dict()
    for name, tensor in policy.model.state_dict().items():
        if name.startswith('autoencoder.') and not torch.equal(tensor, theirs[name]):
            yield f'the weights {name} differ'


def _different_statistics(policy: Checkpoint, planning: Checkpoint) -> Iterator[str]:
    for name in ('actions', 'proprio'):
        ours, theirs = (getattr(one.statistics, name) for one in (policy, planning))
        for bound in ('lower', 'upper'):
            wrong = np.flatnonzero(getattr(ours, bound) != getattr(theirs, bound))
            if len(wrong):
                index = wrong[0]
                yield (f'{name} statistics: {bound} bound of dimension {index} is '
                       f'{getattr(theirs, bound)[index]} and {getattr(ours, bound)[index]}')


def _different_tasks(policy: Checkpoint, planning: Checkpoint) -> Iterator[str]:
    for task in policy.text_embeddings.tasks:
        if task not in planning.text_embeddings.tasks:
            yield f'it does not know the task {task!r}'
        elif not torch.equal(*(one.text_embeddings.embedding(task)
                               for one in (policy, planning))):
            yield f'text embeddings of the task {task!r} differ'
