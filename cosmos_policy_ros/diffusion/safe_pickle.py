# SPDX-License-Identifier: Apache-2.0
"""Pickles from elsewhere, read without running what they ask for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
import pickle
import re
from typing import Any, BinaryIO

import torch

from cosmos_policy_ros.errors import CheckpointError


class SafeUnpickler(pickle.Unpickler):
    """An unpickler that knows a few names and refuses all others before they are imported.

    Args:
        file: Where to read.
        allowed: Full names of the functions and classes that may be used as they are.
        replaced: Full name to the function that is used instead of the one so named.
    """

    def __init__(self, file: BinaryIO, *, allowed: Collection[str] = (),
                 replaced: Mapping[str, Callable[..., Any]] | None = None) -> None:
        super().__init__(file)
        self._allowed = frozenset(allowed)
        self._replaced = dict(replaced or {})

    def find_class(self, module: str, name: str) -> Any:
        """Return what a pickle names.

        Raises:
            UnpicklingError: If the name is not among the known ones.
        """
        full_name = f'{module}.{name}'
        if full_name in self._replaced:
            return self._replaced[full_name]
        if full_name in self._allowed:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(
            f'it asks for {full_name}; only '
            f'{", ".join(sorted(self._allowed | self._replaced.keys()))} may be used')


def read_pickle(
    path: Path, *, allowed: Collection[str] = (),
    replaced: Mapping[str, Callable[..., Any]] | None = None,
) -> Any:
    """Read a pickle as `SafeUnpickler` does.

    Raises:
        CheckpointError: If the file cannot be read, is damaged, or asks for an unknown name.
    """
    try:
        with path.open('rb') as file:
            return SafeUnpickler(file, allowed=allowed, replaced=replaced).load()
    # A damaged pickle calls the allowed functions with anything; they can fail in any way.
    except Exception as error:
        raise CheckpointError(
            f'cannot read pickle {path}: {error or type(error).__name__}') from error


def load_torch(
    file: Path | BinaryIO, *, allowed: Sequence[type] = (), mmap: bool = False,
) -> Any:
    """Read what `torch.save` wrote, on the CPU, as far as that takes no code.

    Args:
        file: Where to read.
        allowed: Classes that may be built beside tensors and plain values.
        mmap: Leave the tensors in the file until they are used; only for files on disk.

    Raises:
        UnpicklingError: If the content asks for anything else, or is damaged; damage can also
            end in other errors.
    """
    try:
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(file, map_location='cpu', weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:
        found = re.search(r'GLOBAL (\S+)', str(error))
        raise pickle.UnpicklingError(
            f'it asks for {found[1]}, which is no tensor and could run code; if you trust it, '
            'write its tensors alone into a new file where it comes from' if found
            else 'it holds no tensors of PyTorch, or is damaged') from error
