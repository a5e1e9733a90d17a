# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs of the transformer.

They are captured here rather than by the compiler, whose own graphs belong to the thread that
compiled them: models are loaded in one thread and asked in another.

Legend: B batch, C channels, T latent frames, H W latent size.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cosmos_policy_ros.diffusion.cosmos_model import Velocity
from cosmos_policy_ros.diffusion.dit import Modulation, TextKeysValues

_NUM_WARM_UPS = 2


class _GraphText:
    """Keys and values where all graphs of a model read them."""

    def __init__(self, example: TextKeysValues) -> None:
        self.tensors = TextKeysValues(blocks=tuple(
            (keys.clone(), values.clone()) for keys, values in example.blocks))
        self._current: TextKeysValues | None = None

    def put(self, text: TextKeysValues) -> None:
        """Copy a text there, unless it is there already."""
        if text is self._current:
            return
        for ours, given in zip(self.tensors.blocks, text.blocks):
            for tensor, new in zip(ours, given):
                tensor.copy_(new)
        self._current = text


class CapturedVelocity:
    """One velocity for one batch size, captured once and replayed by every call.

    Args:
        velocity: What to capture.
        latents: Example of its latents. Shape (B, C, T, H, W).
        modulation: Example, a batch of one.
        text: Where the keys and values will be.
        clean_mask: Example. Shape (1, 1, T, 1, 1).
        pool: Memory that graphs work in by turns.
    """

    def __init__(
        self, velocity: Velocity, latents: Tensor, modulation: Modulation, text: _GraphText,
        clean_mask: Tensor, pool: tuple[int, int],
    ) -> None:
        self._text = text
        self._inputs = tuple(tensor.clone() for tensor in (
            latents, modulation.blocks, modulation.final, clean_mask))
        arguments = (self._inputs[0], Modulation(blocks=self._inputs[1], final=self._inputs[2]),
                     text.tensors, self._inputs[3])
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_NUM_WARM_UPS):
                velocity(*arguments)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        # Another model may be at work on the same GPU, in another thread.
        with torch.cuda.graph(
                self._graph, pool=pool, stream=side, capture_error_mode='thread_local'):
            self._output = velocity(*arguments)

    @classmethod
    def for_batches(
        cls, velocity: Velocity, batches: Mapping[int, Tensor], modulation: Modulation,
        text: TextKeysValues, clean_mask: Tensor,
    ) -> dict[int, Velocity]:
        """Capture a velocity for several batch sizes, each with example latents."""
        shared = _GraphText(text)
        with torch.cuda.device(clean_mask.device):
            pool = torch.cuda.graph_pool_handle()
            return {size: cls(velocity, latents, modulation, shared, clean_mask, pool)
                    for size, latents in batches.items()}

    def __call__(
        self, latents: Tensor, modulation: Modulation, text: TextKeysValues, clean_mask: Tensor,
    ) -> Tensor:
        """Predict as what was captured does."""
        self._text.put(text)
        given = (latents, modulation.blocks, modulation.final, clean_mask)
        for ours, new in zip(self._inputs, given):
            ours.copy_(new)
        self._graph.replay()
        # The next replay, of whatever size, overwrites the output.
        return self._output.clone()
