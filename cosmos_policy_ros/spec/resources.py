# SPDX-License-Identifier: Apache-2.0
"""Where the package's data (`config/`, `launch/`, `models/`) lies on this machine."""

from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path
import sys

from cosmos_policy_ros.errors import ConfigurationError

_PACKAGE = 'cosmos_policy_ros'


def share_directories() -> Iterator[Path]:
    """Folders that may hold the data, nearest first: source tree, Python prefix, ROS prefixes."""
    yield Path(__file__).resolve().parents[2]
    yield Path(sys.prefix) / 'share' / _PACKAGE
    for prefix in filter(None, os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)):
        yield Path(prefix) / 'share' / _PACKAGE


def resource(relative: str) -> Path:
    """Return the path of a data file or folder, for example `config/robots`.

    Raises:
        ConfigurationError: If no share folder has it; the text lists the folders.
    """
    for directory in share_directories():
        if (directory / relative).exists():
            return directory / relative
    searched = ', '.join(str(directory) for directory in share_directories())
    raise ConfigurationError(f'no {relative} in any of: {searched}')
