# SPDX-License-Identifier: Apache-2.0
"""Named tensors from the files that weights come in; no file gets to run code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import io
from pathlib import Path
import pickle
from typing import Any
from zipfile import is_zipfile

from safetensors import safe_open, SafetensorError
import torch
from torch import Tensor

from cosmos_policy_ros.diffusion.distributed_checkpoint import (
    read_distributed_shapes, read_distributed_tensors)
from cosmos_policy_ros.diffusion.safe_pickle import load_torch
from cosmos_policy_ros.errors import CheckpointError

NETWORK_PREFIX = 'net.'

# Bookkeeping that released files carry beside the parameters: derived buffers, counters of the
# training, averaged weights that no released policy uses.
_DROPPED_PREFIXES = ('pos_embedder.', 'accum_', 'net_ema.')
_DROPPED_SUFFIX = '_extra_state'
# In these two the norms of TransformerEngine leave their extra state; both are inert.
_EXTRA_STATE_TYPES = (io.BytesIO, bytes)
_NUM_NAMES_SHOWN = 5


def is_parameter(name: str) -> bool:
    """Whether a released name is that of a parameter, rather than of bookkeeping."""
    return not (name.removeprefix(NETWORK_PREFIX).startswith(_DROPPED_PREFIXES)
                or name.endswith(_DROPPED_SUFFIX))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the parameters from a file or folder, without its bookkeeping.

    Args:
        path: A `.safetensors` file, a PyTorch file, or a folder written by
            `torch.distributed.checkpoint`.

    Raises:
        CheckpointError: If it cannot be read, would run code, or holds anything but tensors.
    """
    if path.is_dir():
        return read_distributed_tensors(path, wanted=is_parameter)
    if path.suffix == '.safetensors':
        with _open_safetensors(path) as file:
            return {name: file.get_tensor(name) for name in file.keys() if is_parameter(name)}
    return _read_pytorch(path)


def read_shapes(path: Path) -> dict[str, torch.Size]:
    """Read only the shapes of what `read_tensors` would read, in a moment however large it is.

    Raises:
        CheckpointError: As `read_tensors` says.
    """
    if path.is_dir():
        return read_distributed_shapes(path, wanted=is_parameter)
    if path.suffix == '.safetensors':
        with _open_safetensors(path) as file:
            return {name: torch.Size(file.get_slice(name).get_shape()) for name in file.keys()
                    if is_parameter(name)}
    tensors = _read_pytorch(path, mmap=is_zipfile(path))
    return {name: tensor.shape for name, tensor in tensors.items()}


@contextmanager
def _open_safetensors(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, 'pt') as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f'cannot read weights {path}: {error}') from error


def _read_pytorch(path: Path, *, mmap: bool = False) -> dict[str, Tensor]:
    try:
        content = load_torch(path, allowed=_EXTRA_STATE_TYPES, mmap=mmap)
    except (pickle.UnpicklingError, OSError, RuntimeError, ValueError, EOFError, LookupError,
            AttributeError) as error:
        raise CheckpointError(f'cannot read weights {path}: {error}') from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f'{path} holds {type(content).__name__}; expected named tensors')
    parameters = {str(name): value for name, value in content.items() if is_parameter(str(name))}
    others = [name for name, value in parameters.items() if not isinstance(value, Tensor)]
    if others:
        raise CheckpointError(f'{path}: {list_names(others)} are not tensors')
    return parameters


def list_names(names: list[str]) -> str:
    """Return names for an error text, cut short where there are many."""
    shown = ', '.join(sorted(names)[:_NUM_NAMES_SHOWN])
    return shown + (', ...' if len(names) > _NUM_NAMES_SHOWN else '')
