# SPDX-License-Identifier: Apache-2.0
"""Where checkpoint folders are found."""

from __future__ import annotations

import os
from pathlib import Path
import sys

from cosmos_policy_ros.errors import CheckpointError

CONFIG_FILE = 'config.json'


def model_roots() -> tuple[Path, ...]:
    """Folders that hold named checkpoints: source tree, Python prefix, ament prefixes."""
    prefixes = [Path(sys.prefix)]
    prefixes += [Path(text) for text in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
                 if text]
    installed = [prefix / 'share' / 'cosmos_policy_ros' / 'models' for prefix in prefixes]
    return (Path(__file__).parents[2] / 'models', *installed)


def known_checkpoints() -> dict[str, Path]:
    """Return name and folder of every checkpoint that can be found by name."""
    found: dict[str, Path] = {}
    for root in model_roots():
        for path in sorted(root.glob(f'*/{CONFIG_FILE}')):
            found.setdefault(path.parent.name, path.parent)
    return found


def find_checkpoint(name_or_path: str | Path) -> Path:
    """Return the checkpoint folder of a path, or of a name.

    Args:
        name_or_path: A folder that holds a `config.json`, or a name such as `aloha_small`.

    Raises:
        CheckpointError: If it is neither; the text lists the known names.
    """
    path = Path(name_or_path).expanduser()
    if (path / CONFIG_FILE).is_file():
        return path
    known = known_checkpoints()
    if str(name_or_path) in known:
        return known[str(name_or_path)]
    raise CheckpointError(
        f'{str(name_or_path)!r} is neither a folder with a {CONFIG_FILE} nor a known model; known '
        f'models: {", ".join(known) or "none"}')
