# SPDX-License-Identifier: Apache-2.0
"""Where checkpoints are found: by path, by name, or in the local Hugging Face cache."""

from __future__ import annotations

from pathlib import Path

from cosmos_policy_ros.diffusion.checkpoint_files import CONFIG_FILE, find_weights, WEIGHT_KINDS
from cosmos_policy_ros.diffusion.hub_cache import cached_snapshot, is_repository_name
from cosmos_policy_ros.errors import CheckpointError
from cosmos_policy_ros.spec.resources import share_directories


def model_roots() -> tuple[Path, ...]:
    """Folders that hold named checkpoints, nearest first."""
    return tuple(directory / 'models' for directory in share_directories())


def known_checkpoints() -> dict[str, Path]:
    """Return name and folder of every checkpoint that can be found by name."""
    found: dict[str, Path] = {}
    for root in model_roots():
        for path in sorted(root.glob(f'*/{CONFIG_FILE}')):
            found.setdefault(path.parent.name, path.parent)
    return found


def find_checkpoint(name_or_path: str | Path) -> Path:
    """Return the folder or the weight file of a checkpoint, without using the network.

    Args:
        name_or_path: A folder with a `config.json` or with weights; a weight file; the name of
            a known model such as `aloha_small`; or a Hugging Face repository `owner/name` that
            was fetched before. A checkpoint at the path wins.

    Raises:
        CheckpointError: If it is none of them; the text lists the known names.
    """
    name, path = str(name_or_path), Path(name_or_path).expanduser()
    if name and (path.is_file() or _holds_checkpoint(path)):
        return path
    known = known_checkpoints()
    if name in known:
        return known[name]
    if name and path.exists():
        raise CheckpointError(
            f'{path} holds neither {CONFIG_FILE} nor weights: {", ".join(WEIGHT_KINDS)}')
    snapshot = cached_snapshot(name) if is_repository_name(name) else None
    if snapshot is None:
        raise CheckpointError(_not_found(name, known))
    return snapshot


def _holds_checkpoint(folder: Path) -> bool:
    return (folder / CONFIG_FILE).is_file() or find_weights(folder) is not None


def _not_found(name: str, known: dict[str, Path]) -> str:
    text = f'{name!r} is neither a folder or file of a checkpoint nor a known model'
    if is_repository_name(name):
        text += (', nor a repository in the local Hugging Face cache; to download it, run: '
                 f'cosmos-policy fetch {name}')
    return f'{text}; known models: {", ".join(known) or "none"}'
