# SPDX-License-Identifier: Apache-2.0
"""Folders that `torch.distributed.checkpoint` wrote, read in one process without pickled code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.distributed.checkpoint import DefaultLoadPlanner, FileSystemReader
from torch.distributed.checkpoint.metadata import Metadata, TensorStorageMetadata

from cosmos_policy_ros.diffusion.checkpoint_files import METADATA_FILE
from cosmos_policy_ros.diffusion.safe_pickle import read_pickle
from cosmos_policy_ros.errors import CheckpointError

_DTYPES = ('bfloat16', 'float16', 'float32', 'float64', 'uint8', 'int8', 'int16', 'int32',
           'int64', 'bool')
_METADATA_NAMES = (
    *(f'torch.distributed.checkpoint.metadata.{name}' for name in (
        'BytesStorageMetadata', 'ChunkStorageMetadata', 'Metadata', 'MetadataIndex',
        'StorageMeta', 'TensorProperties', 'TensorStorageMetadata', '_MEM_FORMAT_ENCODING')),
    'torch.distributed.checkpoint.filesystem._StorageInfo', 'torch.serialization._get_layout',
    'torch.Size', 'collections.OrderedDict', *(f'torch.{name}' for name in _DTYPES))
# The folder in which the files were written, of which nothing is used.
_PATHS = tuple(f'{module}.{name}' for module in ('pathlib', 'pathlib._local')
               for name in ('PosixPath', 'WindowsPath'))


def read_distributed_tensors(
    folder: Path, *, wanted: Callable[[str], bool] = lambda name: True,
) -> dict[str, Tensor]:
    """Read the tensors of such a folder; whatever else it holds stays unread.

    Args:
        folder: The folder, with a `.metadata` file and `*.distcp` files.
        wanted: Whether the tensor of a name is to be read.

    Raises:
        CheckpointError: If a file is missing or damaged, or would run code.
    """
    metadata = _read_metadata(folder / METADATA_FILE)
    tensors = {name: torch.empty(entry.size, dtype=entry.properties.dtype)
               for name, entry in _tensor_entries(metadata).items() if wanted(name)}
    try:
        _fill(tensors, folder, metadata)
    # Offsets of a damaged file lead anywhere in torch; it can fail in any way.
    except Exception as error:
        raise CheckpointError(f'cannot read weights {folder}: {error}') from error
    return tensors


def read_distributed_shapes(
    folder: Path, *, wanted: Callable[[str], bool] = lambda name: True,
) -> dict[str, torch.Size]:
    """Read the shapes of those tensors.

    Raises:
        CheckpointError: If the metadata is missing or damaged, or would run code.
    """
    entries = _tensor_entries(_read_metadata(folder / METADATA_FILE))
    return {name: entry.size for name, entry in entries.items() if wanted(name)}


def _read_metadata(path: Path) -> Metadata:
    metadata = read_pickle(
        path, allowed=_METADATA_NAMES, replaced=dict.fromkeys(_PATHS, lambda *parts: None))
    if not isinstance(metadata, Metadata):
        raise CheckpointError(f'{path} holds {type(metadata).__name__}; expected Metadata')
    return metadata


def _tensor_entries(metadata: Metadata) -> dict[str, TensorStorageMetadata]:
    return {name: entry for name, entry in metadata.state_dict_metadata.items()
            if isinstance(entry, TensorStorageMetadata)}


def _fill(tensors: dict[str, Tensor], folder: Path, metadata: Metadata) -> None:
    reader, planner = FileSystemReader(folder), DefaultLoadPlanner()
    planner.set_up_planner(tensors, metadata, is_coordinator=True)
    reader.set_up_storage_reader(metadata, is_coordinator=True)
    local = reader.prepare_local_plan(planner.create_local_plan())
    plan = reader.prepare_global_plan(planner.create_global_plan([local]))[0]
    reader.read_data(planner.finish_plan(plan), planner).wait()
