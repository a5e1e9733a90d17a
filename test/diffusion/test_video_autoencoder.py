# SPDX-License-Identifier: Apache-2.0
"""Pixels to numbers in [-1, 1] and back."""

import torch

from cosmos_policy_ros.diffusion.video_autoencoder import uint8_from_video, video_from_uint8


def test_pixels_survive_the_conversion_and_video_is_clipped_then_truncated():
    pixels = torch.arange(256, dtype=torch.uint8)
    restored = uint8_from_video(video_from_uint8(pixels) + 1e-5)
    assert torch.equal(restored, pixels)
    assert uint8_from_video(torch.tensor([-1.5, 0.0, 1.5])).tolist() == [0, 127, 255]
