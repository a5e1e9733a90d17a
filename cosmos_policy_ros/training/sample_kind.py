# SPDX-License-Identifier: Apache-2.0
"""The three kinds of training samples: which frames each is given, and which it is judged by."""

from __future__ import annotations

from enum import IntEnum

import torch
from torch import Tensor

from cosmos_policy_ros.diffusion.latent_layout import LatentLayout, NetworkRole, VALUE_ROLES
from cosmos_policy_ros.training.settings import LossSettings


class SampleKind(IntEnum):
    """What a sample teaches."""

    POLICY = 0
    WORLD_MODEL = 1
    VALUE = 2


def roles(settings: LossSettings) -> tuple[NetworkRole, NetworkRole, NetworkRole]:
    """Return the role of the network for each kind of sample."""
    return NetworkRole.POLICY, NetworkRole.WORLD_MODEL, VALUE_ROLES[settings.value_kind]


def clean_masks(layout: LatentLayout, settings: LossSettings) -> Tensor:
    """Return 1 for the frames that each kind of sample is given. Shape (kinds, T)."""
    masks = torch.zeros(len(SampleKind), layout.num_latent_frames)
    for mask, role in zip(masks, roles(settings)):
        mask[list(layout.clean_frames(role))] = 1
    return masks


def frame_weights(layout: LatentLayout, settings: LossSettings) -> Tensor:
    """Return the weight of each frame's error for each kind of sample. Shape (kinds, T)."""
    frames = torch.ones(layout.num_latent_frames)
    views = list(layout.future_views.values())
    frames[layout.action] = settings.action_weight
    frames[layout.future_proprio] = settings.proprio_weight
    frames[views] = settings.view_weight
    frames[layout.value] = settings.value_weight
    weights = frames.repeat(len(SampleKind), 1)
    if settings.own_parts_only:
        own = {SampleKind.POLICY: [layout.action],
               SampleKind.WORLD_MODEL: [layout.future_proprio, *views]}
        for kind, kept in own.items():
            weights[kind] = _only(weights[kind], kept)
    if not settings.policy_learns_value:
        weights[SampleKind.POLICY, layout.value] = 0
    if settings.own_parts_only or settings.value_kind != 'v_full':
        weights[SampleKind.VALUE] = _only(weights[SampleKind.VALUE], [layout.value])
    return weights


def _only(weights: Tensor, frames: list[int]) -> Tensor:
    kept = torch.zeros_like(weights)
    kept[frames] = weights[frames]
    return kept
