# SPDX-License-Identifier: Apache-2.0
"""Tensors come back as they were saved, and others may read the file as the user allows."""

from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path
import stat

import pytest
from safetensors.torch import load_file
import torch

from cosmos_policy_ros.diffusion.saved_tensors import save_tensors


@pytest.fixture(params=[0o022, 0o077, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Permissions that new files do not get."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode_of(path: Path) -> int:
    """Return the permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_has_the_permissions_of_other_new_files(umask: int, tmp_path: Path):
    save_tensors(tmp_path / 'a.safetensors', {'weight': torch.arange(6.0).reshape(2, 3).T})
    assert mode_of(tmp_path / 'a.safetensors') == 0o666 & ~umask
    back = load_file(tmp_path / 'a.safetensors')['weight']
    assert torch.equal(back, torch.arange(6.0).reshape(2, 3).T)


def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path):
    path = tmp_path / 'a.safetensors'
    save_tensors(path, {'weight': torch.zeros(1)})
    path.chmod(0o640)
    save_tensors(path, {'weight': torch.ones(1)})
    assert mode_of(path) == 0o640 and load_file(path)['weight'].item() == 1.0


def test_a_failure_leaves_no_empty_file_and_keeps_an_old_one(tmp_path: Path):
    new, old = tmp_path / 'new.safetensors', tmp_path / 'old.safetensors'
    save_tensors(old, {'weight': torch.ones(1)})
    shared = torch.zeros(4)
    for path in (new, old):
        # The library refuses tensors that share their memory.
        with pytest.raises(RuntimeError):
            save_tensors(path, {'one': shared, 'other': shared})
    assert not new.exists() and load_file(old)['weight'].item() == 1.0
