# SPDX-License-Identifier: Apache-2.0
"""Tensors in a safetensors file that others may read as they may any other file of the user."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
import stat

from safetensors.torch import save_file
from torch import Tensor


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors, replacing a file that is there.

    The library writes to a temporary file, which only its owner may read, and renames that. The
    file gets the permissions that the process gives to new files, or keeps those that it had.

    Raises:
        SafetensorError: If the disk refuses.
    """
    is_new = not path.exists()
    path.touch()
    mode = stat.S_IMODE(path.stat().st_mode)
    try:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    except BaseException:
        if is_new:
            path.unlink(missing_ok=True)
        raise
    path.chmod(mode)
