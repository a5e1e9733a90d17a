# SPDX-License-Identifier: Apache-2.0
"""The local Hugging Face cache, looked up without the network."""

from __future__ import annotations

from pathlib import Path
import re

_REPOSITORY = re.compile(r'[\w.-]+/[\w.-]+')
_SNAPSHOTS = 'snapshots'


def is_repository_name(name: str) -> bool:
    """Whether a text could name a repository: `owner/name`."""
    return _REPOSITORY.fullmatch(name) is not None and not name.startswith('.')


def cached_snapshot(repository: str) -> Path | None:
    """Return the folder of a repository in the cache, None if it is not there.

    It is the revision last fetched as `main`, or else the only one there is.
    """
    # An import of a tenth of a second and more that models found by path do without.
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name
    root = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type='model')
    reference = root / 'refs' / 'main'
    if reference.is_file():
        snapshot = root / _SNAPSHOTS / reference.read_text().strip()
        return snapshot if snapshot.is_dir() else None
    snapshots = [path for path in root.glob(f'{_SNAPSHOTS}/*') if path.is_dir()]
    return snapshots[0] if len(snapshots) == 1 else None


def snapshot_name(folder: Path) -> str | None:
    """Return the name, without owner, of the repository of a snapshot; None for other folders."""
    folder = folder.absolute()
    if folder.parent.name != _SNAPSHOTS:
        return None
    return folder.parent.parent.name.rpartition('--')[2]  # of models--owner--name
