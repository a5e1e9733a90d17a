# SPDX-License-Identifier: Apache-2.0
"""What every image tokenizer offers: pixels to latents and back, in causal pieces.

Legend: B batch, C channels, T latent frames, F video frames, H W latent size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class EncoderState:
    """What an encoder remembers of the video so far.

    Attributes:
        memory: Known to the encoder alone; empty if its latents do not depend on earlier frames.
    """

    memory: tuple[Any, ...] = ()


@runtime_checkable
class VideoAutoencoder(Protocol):
    """Encodes video to latents of about unit size and decodes them.

    The first frame of a video becomes a latent frame of its own, every further four frames one
    more; a latent frame depends on its own and on earlier video frames only. Each side of an
    image shrinks eight times. Tensors must be where the weights are, if there are any.
    """

    def encode(self, video: Tensor) -> Tensor:
        """Encode a whole video (B, 3, 1 + 4 n, 8 H, 8 W) in [-1, 1] as (B, C, 1 + n, H, W)."""
        ...

    def encode_more(
        self, video: Tensor, state: EncoderState | None,
    ) -> tuple[Tensor, EncoderState]:
        """Encode the next frames of a video.

        Args:
            video: Next frames in [-1, 1]; at the start 1 + 4 n of them, later 4 n.
            state: What was remembered of the frames before; None at the start. It is not changed.

        Returns:
            Latents of the new frames, float32, and the state after them. Equal, bit by bit, to
            what encoding the video as a whole gives.
        """
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents (B, C, T, H, W) to video (B, 3, 1 + 4 (T - 1), 8 H, 8 W).

        Returns:
            Video in float32, nominally in [-1, 1] but not clipped.
        """
        ...


def video_from_uint8(video: Tensor) -> Tensor:
    """Map pixels 0..255 to [-1, 1], float32."""
    return video.float() / 127.5 - 1


def uint8_from_video(video: Tensor) -> Tensor:
    """Map [-1, 1] to pixels 0..255: clipped, then truncated."""
    return ((video.float() + 1) * 127.5).clamp(0, 255).to(torch.uint8)
