# SPDX-License-Identifier: Apache-2.0
"""Less memory for more time: blocks that are computed again in the backward pass."""

from __future__ import annotations

from functools import partial

from torch import Tensor
from torch.utils.checkpoint import checkpoint

from cosmos_policy_ros.diffusion.dit import Block, DiffusionTransformer


def recompute_blocks(transformer: DiffusionTransformer) -> None:
    """Let a transformer keep only the inputs of its blocks for the backward pass."""
    transformer.velocity = partial(transformer.velocity, run_block=_run)


def _run(block: Block, *inputs: Tensor) -> Tensor:
    return checkpoint(block, *inputs, use_reentrant=False)
