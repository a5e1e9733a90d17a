# SPDX-License-Identifier: Apache-2.0
"""What a folder of results was begun with: other settings are refused by name, not mixed in."""

from __future__ import annotations

from collections.abc import Mapping
import json
from pathlib import Path
from typing import Any

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.recording.durable_file import write_durably


def keep_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Note what the folder of a file is begun with, or check that it was begun with the same.

    Args:
        path: The file; it and its folder are made if they are missing.
        settings: All that its results depend on, as JSON can hold it.

    Raises:
        ConfigurationError: If it was begun with other settings, or the file cannot be read or
            written.
    """
    try:
        kept = json.loads(path.read_text(encoding='utf-8')) if path.exists() else None
        if kept is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, json.dumps(dict(settings), indent=2) + '\n')
            return
    except (OSError, ValueError) as error:
        raise ConfigurationError(f'cannot keep the settings in {path}: {error}') from error
    if found := differences(kept, settings):
        raise ConfigurationError(
            f'{path.parent} was begun with other settings: {"; ".join(found)}. Go on with the '
            'settings it was begun with, or choose another --output')


def differences(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = '') -> list[str]:
    """Say which settings differ, those of nested ones with dots."""
    found = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            found += differences(old, new, f'{prefix}{name}.')
        elif old != new:
            found.append(f'{prefix}{name} was {old!r}, now {new!r}')
    return found
