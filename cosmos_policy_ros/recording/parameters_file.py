# SPDX-License-Identifier: Apache-2.0
"""The file in an episode's folder that holds every node's parameters at its start."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.durable_file import write_durably

PARAMETERS_FILE = 'parameters.yaml'


def save_parameters(directory: Path, values: Mapping[str, Mapping[str, Any]]) -> None:
    """Write parameters in the form that a node can be started with, in one step.

    Args:
        directory: Folder of the episode.
        values: Full node name to parameter names and values.

    Raises:
        RecordingError: If the file cannot be written.
    """
    path = directory / PARAMETERS_FILE
    content = {name: {'ros__parameters': dict(parameters)}
               for name, parameters in sorted(values.items())}
    try:
        write_durably(path, yaml.safe_dump(content))
    except OSError as error:
        raise RecordingError(f'cannot write {path}: {error}') from error
