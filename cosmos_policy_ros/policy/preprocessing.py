# SPDX-License-Identifier: Apache-2.0
"""From camera images to the square images that the model sees.

This file holds the one mapping between the model's views and the robot's cameras.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import io
import math
from typing import Protocol

import numpy as np
from PIL import Image
import torch
from torch import Tensor
from torch.nn import functional as F

from cosmos_policy_ros.errors import ConfigurationError, ObservationError

VIEW_CAMERAS = {'left_wrist': 'cam_left_wrist', 'right_wrist': 'cam_right_wrist',
                'primary': 'cam_high'}
CROP_AREA = 0.9
JPEG_QUALITY = 95
REDUCING_GAP = 2.0


class ImageForm(Protocol):
    """What of a model's configuration decides about its images; see `ModelConfig`."""

    image_size_px: int
    camera_resize_px: int | None
    jpeg_round_trip: bool


def cameras_for_views(views: Sequence[str]) -> tuple[str, ...]:
    """Return the camera behind each view.

    Raises:
        ConfigurationError: If the robot has no camera for a view.
    """
    missing = [view for view in views if view not in VIEW_CAMERAS]
    if missing:
        raise ConfigurationError(
            f'no camera is known for the views {", ".join(missing)}; known views: '
            f'{", ".join(VIEW_CAMERAS)}')
    return tuple(VIEW_CAMERAS[view] for view in views)


def resize_image(image: np.ndarray, size_px: int) -> np.ndarray:
    """Resize an image (H, W, 3) uint8 to a square, bicubic, not keeping its aspect ratio.

    A side that shrinks four times or more is first averaged over whole pixels to no less than
    twice its final size: a third of the time, and a fair resampling still. Images of 640x480
    that become 256x256, as the released models want them, are not affected.
    """
    if image.shape[:2] == (size_px, size_px):
        return image
    resized = Image.fromarray(image).resize(
        (size_px, size_px), Image.Resampling.BICUBIC, reducing_gap=REDUCING_GAP)
    return np.asarray(resized)


def crop_and_restore(images: Tensor) -> Tensor:
    """Crop the centre 90 % of the area and resize it back, bilinear, rounded.

    Antialiasing would change nothing, because the crop is enlarged.

    Args:
        images: Square images. Shape (N, S, S, 3), uint8.

    Returns:
        Images of the same shape and dtype.
    """
    size = images.shape[1]
    side = int(size * math.sqrt(CROP_AREA))
    first = round((size - side) / 2)
    cropped = images[:, first:first + side, first:first + side].permute(0, 3, 1, 2)
    restored = F.interpolate(cropped.float(), size=(size, size), mode='bilinear')
    return restored.round().to(torch.uint8).permute(0, 2, 3, 1)


def jpeg_round_trip(image: np.ndarray) -> np.ndarray:
    """Compress an image (H, W, 3) uint8 with JPEG and decompress it."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format='JPEG', quality=JPEG_QUALITY)
    return np.asarray(Image.open(buffer))


def preprocess_images(
    images: Mapping[str, np.ndarray], cameras: Sequence[str], config: ImageForm,
) -> Tensor:
    """Bring the images of an observation into the form that the model was trained on.

    Args:
        images: Camera name to RGB image. Each of shape (H, W, 3), uint8.
        cameras: Cameras wanted, in the order of the model's views.
        config: Configuration of the model, or as much of it.

    Returns:
        Images of shape (V, S, S, 3), uint8.

    Raises:
        ObservationError: If a camera is missing.
    """
    return crop_and_restore(torch.from_numpy(square_images(images, cameras, config)))


def square_images(
    images: Mapping[str, np.ndarray], cameras: Sequence[str], config: ImageForm,
) -> np.ndarray:
    """Bring images into the model's size, but do not crop them yet, as training stores them.

    Returns:
        Images of shape (V, S, S, 3), uint8.

    Raises:
        ObservationError: If a camera is missing.
    """
    missing = [camera for camera in cameras if camera not in images]
    if missing:
        raise ObservationError(
            f'no image of {", ".join(missing)}; the policy needs {", ".join(cameras)}, the '
            f'observation holds {", ".join(images) or "none"}')
    return np.stack([_square(images[camera], config) for camera in cameras])


def _square(image: np.ndarray, config: ImageForm) -> np.ndarray:
    if config.camera_resize_px is not None:
        image = resize_image(image, config.camera_resize_px)
    if config.jpeg_round_trip:
        image = jpeg_round_trip(image)
    return resize_image(image, config.image_size_px)
