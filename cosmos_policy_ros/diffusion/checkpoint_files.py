# SPDX-License-Identifier: Apache-2.0
"""Which files make up a checkpoint: our own layout, and the layout of the released ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
import json
from pathlib import Path

from cosmos_policy_ros.diffusion.config import ModelConfig
from cosmos_policy_ros.diffusion.hub_cache import cached_snapshot, snapshot_name
from cosmos_policy_ros.errors import CheckpointError

CONFIG_FILE = 'config.json'
MODEL_FILES = ('model.safetensors', 'model.pt')
# Distributed training writes the network into this folder of a checkpoint, beside its optimiser.
DISTRIBUTED_FOLDER = 'model'
METADATA_FILE = '.metadata'
AUTOENCODER_FILES = ('vae.safetensors', 'vae.pt', 'tokenizer.pth', 'tokenizer/tokenizer.pth')
STATISTICS_FILES = ('statistics.json', '*dataset_statistics.json')
TEXT_FILE = 'text_embeddings.safetensors'
TEXT_PICKLES = '*t5_embeddings.pkl'
WEIGHT_KINDS = (*MODEL_FILES, f'{DISTRIBUTED_FOLDER}/{METADATA_FILE}',
                'one other *.safetensors or *.pt file')

POLICY_REPOSITORY = 'nvidia/Cosmos-Policy-ALOHA-Predict2-2B'
PLANNING_REPOSITORY = 'nvidia/Cosmos-Policy-ALOHA-Planning-Model-Predict2-2B'
AUTOENCODER_REPOSITORY = 'nvidia/Cosmos-Predict2-2B-Video2World'

_WEIGHT_SUFFIXES = ('.pt', '.safetensors')
_OTHER_TENSOR_FILES = {*AUTOENCODER_FILES, TEXT_FILE}


@dataclass(frozen=True, kw_only=True)
class CheckpointFiles:
    """Where the parts of a checkpoint are; None for a part that is not there.

    Attributes:
        name: Name to show.
        folder: The folder that is searched first, and in which new text embeddings go.
        config: Our configuration; a released checkpoint has none.
        weights: File or folder of the transformer.
        autoencoder: File of the Wan autoencoder.
        statistics: Bounds of the training data.
        text_embeddings: Files of task embeddings; a task in a later one replaces that of an
            earlier one.
    """

    name: str
    folder: Path
    config: Path | None
    weights: Path | None
    autoencoder: Path | None
    statistics: Path | None
    text_embeddings: tuple[Path, ...]

    @property
    def is_released(self) -> bool:
        """Whether the layout is that of the released checkpoints."""
        return self.config is None

    @property
    def is_planning_model(self) -> bool:
        """Whether the weights are the released ones that were refined for planning."""
        return self.is_released and _is_planning(self.name)


def checkpoint_files(path: Path) -> CheckpointFiles:
    """Locate the parts of a checkpoint.

    A folder with our `config.json` holds all of them. Of a released checkpoint the autoencoder,
    and for the planning model the statistics and the text embeddings, come with another
    repository: they are also taken from its folder beside this one, and from the local cache.

    Args:
        path: The folder, or the file or folder of the weights alone.

    Raises:
        CheckpointError: If the folder holds several files for one part.
    """
    is_weights = path.is_file() or is_distributed_checkpoint(path)
    folder = path.absolute().parent if is_weights else path
    weights = path if is_weights else find_weights(folder)
    config = _own_config(folder, has_weights=weights is not None)
    name = snapshot_name(folder) or folder.resolve().name
    if config is None and weights is not None and weights.is_file():
        name = weights.stem
    own = [folder]
    shared = [*own, *_places(folder, POLICY_REPOSITORY)] if (
        config is None and _is_planning(name)) else own
    return CheckpointFiles(
        name=name, folder=folder, config=config, weights=weights,
        autoencoder=_find(own if config else [*own, *_places(folder, AUTOENCODER_REPOSITORY)],
                          AUTOENCODER_FILES),
        statistics=_find(shared, STATISTICS_FILES),
        text_embeddings=tuple(
            file for place in reversed(shared) for pattern in (TEXT_PICKLES, TEXT_FILE)
            if (file := _find([place], [pattern]))))


def find_weights(folder: Path) -> Path | None:
    """Return the file or folder of the transformer's weights in a folder, None without.

    Raises:
        CheckpointError: If there are several files and none has the usual name.
    """
    for name in MODEL_FILES:
        if (folder / name).is_file():
            return folder / name
    if is_distributed_checkpoint(folder / DISTRIBUTED_FOLDER):
        return folder / DISTRIBUTED_FOLDER
    if is_distributed_checkpoint(folder):
        return folder
    others = [path for path in sorted(folder.glob('*')) if path.suffix in _WEIGHT_SUFFIXES
              and path.name not in _OTHER_TENSOR_FILES]
    return _only(others, 'weights')


def is_distributed_checkpoint(folder: Path) -> bool:
    """Whether a folder is one that `torch.distributed.checkpoint` wrote."""
    return (folder / METADATA_FILE).is_file()


def _own_config(folder: Path, *, has_weights: bool) -> Path | None:
    """Return our configuration; released folders have a file of that name that is another's."""
    path = folder / CONFIG_FILE
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return path
    is_foreign = isinstance(content, dict) and bool(content) and not (
        content.keys() & {field.name for field in fields(ModelConfig)})
    return None if is_foreign and has_weights else path


def _is_planning(name: str) -> bool:
    return name == PLANNING_REPOSITORY.partition('/')[2]


def _places(folder: Path, repository: str) -> Iterator[Path]:
    yield folder.absolute().parent / repository.partition('/')[2]
    snapshot = cached_snapshot(repository)
    if snapshot is not None:
        yield snapshot


def _find(folders: Sequence[Path], patterns: Sequence[str]) -> Path | None:
    for folder in folders:
        for pattern in patterns:
            found = _only(sorted(folder.glob(pattern)), pattern)
            if found is not None:
                return found
    return None


def _only(paths: list[Path], what: str) -> Path | None:
    if len(paths) > 1:
        raise CheckpointError(
            f'{paths[0].parent} holds several files that could be the {what}: '
            f'{", ".join(path.name for path in paths)}; leave one, or name the file')
    return paths[0] if paths else None
