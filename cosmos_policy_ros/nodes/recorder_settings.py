# SPDX-License-Identifier: Apache-2.0
"""What the recorder's parameters mean to the recording room, and how much disk is free."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
import shutil

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.nodes.parameters import RecorderNodeParameters
from cosmos_policy_ros.recording.health import HealthLimits


def health_limits(params: RecorderNodeParameters) -> HealthLimits:
    """Return the limits of the `health` parameters.

    Raises:
        ConfigurationError: If one is not allowed.
    """
    return HealthLimits(**{
        item.name: getattr(params, f'health__{item.name}') for item in fields(HealthLimits)})


def free_bytes(directory: str) -> int:
    """Return the free room in [B] on the disk of a folder that need not exist yet.

    Raises:
        RecordingError: If the disk does not answer.
    """
    path = Path(directory).absolute()
    try:
        return shutil.disk_usage(next(p for p in (path, *path.parents) if p.exists())).free
    except OSError as error:
        raise RecordingError(f'cannot look at {path}: {error}') from error
