# SPDX-License-Identifier: Apache-2.0
"""Checkpoint folders: read strictly, written in the released key names.

A folder holds `config.json`, `statistics.json`, `text_embeddings.safetensors`, and the weights of
the transformer and of the Wan autoencoder (the patch autoencoder has none); without weights,
`config.json` must name the seed from which random ones are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
import pickle
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
import torch
from torch import nn, Tensor

from cosmos_policy_ros.diffusion.checkpoint_paths import CONFIG_FILE, find_checkpoint
from cosmos_policy_ros.diffusion.config import (
    load_config, ModelConfig, save_config, WanAutoencoderConfig)
from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
from cosmos_policy_ros.diffusion.random_weights import draw_random_weights
from cosmos_policy_ros.diffusion.text_embedding import (
    load_text_embeddings, save_text_embeddings, TextEmbeddings)
from cosmos_policy_ros.diffusion.wan_names import released_wan_name
from cosmos_policy_ros.errors import CheckpointError
from cosmos_policy_ros.spec.statistics import (
    DatasetStatistics, load_statistics, save_statistics)

if TYPE_CHECKING:
    from cosmos_policy_ros.diffusion.wan_autoencoder import WanAutoencoder

MODEL_FILES = ('model.safetensors', 'model.pt')
AUTOENCODER_FILES = ('vae.safetensors', 'vae.pt', 'tokenizer.pth')
STATISTICS_FILE = 'statistics.json'
TEXT_FILE = 'text_embeddings.safetensors'

# Bookkeeping that released files carry beside the parameters.
_DROPPED_PREFIXES = ('pos_embedder.', 'accum_', 'net_ema.')
_DROPPED_SUFFIX = '_extra_state'
_NETWORK_PREFIX = 'net.'
_NUM_NAMES_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model with all that is needed to use it.

    Attributes:
        name: Name of its folder.
        model: The model, in evaluation mode.
        statistics: Bounds of actions and joints in its training data.
        text_embeddings: Tasks that it knows.
        is_trained: False if its weights are random.
    """

    name: str
    model: CosmosModel
    statistics: DatasetStatistics
    text_embeddings: TextEmbeddings
    is_trained: bool


def load_checkpoint(
    name_or_path: str | Path, *, device: torch.device | str = 'cpu',
    dtype: torch.dtype | None = None,
) -> Checkpoint:
    """Read a checkpoint folder.

    Args:
        name_or_path: The folder, or the name of a known model.
        device: Where the weights go.
        dtype: Precision of the weights; None is bfloat16 on CUDA, in which the released models
            run, and float32 elsewhere.

    Raises:
        CheckpointError: If a file is missing or damaged, or does not fit the configuration.
        ConfigurationError: If `config.json` is not a valid configuration.
    """
    folder = find_checkpoint(name_or_path)
    config = load_config(folder / CONFIG_FILE)
    statistics = load_statistics(
        folder / STATISTICS_FILE, action_size=config.action_dim, proprio_size=config.proprio_dim)
    text_embeddings = load_text_embeddings(
        folder / TEXT_FILE, num_tokens=config.text_tokens, text_dim=config.transformer.text_dim)
    return Checkpoint(
        name=folder.resolve().name,
        model=_load_model(folder, config).to(device, dtype or default_dtype(device)).eval(),
        statistics=statistics, text_embeddings=text_embeddings,
        is_trained=config.random_weights_seed is None)


def default_dtype(device: torch.device | str) -> torch.dtype:
    """Return the precision in which models run on a device unless asked otherwise."""
    return torch.bfloat16 if torch.device(device).type == 'cuda' else torch.float32


def save_checkpoint(
    folder: Path, *, model: CosmosModel, statistics: DatasetStatistics,
    text_embeddings: TextEmbeddings,
) -> None:
    """Write a checkpoint folder that `load_checkpoint` reads, weights in their own precision."""
    folder.mkdir(parents=True, exist_ok=True)
    save_config(folder / CONFIG_FILE, model.config)
    save_statistics(folder / STATISTICS_FILE, statistics)
    save_text_embeddings(folder / TEXT_FILE, text_embeddings)
    save_file({_NETWORK_PREFIX + name: tensor.contiguous()
               for name, tensor in model.transformer.state_dict().items()},
              folder / MODEL_FILES[0])
    if isinstance(model.config.autoencoder, WanAutoencoderConfig):
        save_file({released: model.autoencoder.wan.get_parameter(name).detach().contiguous()
                   for released, name in _wan_names(model.autoencoder).items()},
                  folder / AUTOENCODER_FILES[0])


def load_transformer_weights(transformer: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put released tensors into the transformer.

    Args:
        transformer: The transformer.
        tensors: Released names, with or without the prefix `net.`, to tensors.

    Raises:
        CheckpointError: If a tensor is missing, unexpected, or has the wrong shape or type.
    """
    given = {name.removeprefix(_NETWORK_PREFIX): tensor for name, tensor in tensors.items()}
    given = {name: tensor for name, tensor in given.items()
             if not name.startswith(_DROPPED_PREFIXES) and not name.endswith(_DROPPED_SUFFIX)}
    _load_strictly(transformer, given, 'transformer')


def load_autoencoder_weights(
    autoencoder: WanAutoencoder, tensors: Mapping[str, Tensor],
) -> None:
    """Put released tensors into the Wan autoencoder.

    Raises:
        CheckpointError: If a tensor is missing, unexpected, or has the wrong shape or type.
    """
    ours = _wan_names(autoencoder)
    _load_strictly(autoencoder.wan, {ours.get(name, name): tensor
                                     for name, tensor in tensors.items()}, 'autoencoder')


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a flat file of tensors: `.safetensors`, or a PyTorch file without executing code.

    Raises:
        CheckpointError: If the file cannot be read or holds anything but tensors.
    """
    try:
        if path.suffix == '.safetensors':
            return load_file(path)
        content = torch.load(path, map_location='cpu', weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError,
            SafetensorError) as error:
        raise CheckpointError(f'cannot read weights {path}: {error}') from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f'{path} holds {type(content).__name__}; expected named tensors')
    others = [name for name, value in content.items()
              if not isinstance(value, Tensor) and not str(name).endswith(_DROPPED_SUFFIX)]
    if others:
        raise CheckpointError(f'{path}: {_names(others)} are not tensors')
    return {name: value for name, value in content.items() if isinstance(value, Tensor)}


def _load_model(folder: Path, config: ModelConfig) -> CosmosModel:
    with torch.device('meta'):
        model = CosmosModel(config)
    has_wan = isinstance(config.autoencoder, WanAutoencoderConfig)
    if not has_wan:
        _refuse_weights(folder, AUTOENCODER_FILES, 'a patch autoencoder, which has no weights')
    if config.random_weights_seed is not None:
        _refuse_weights(folder, MODEL_FILES + AUTOENCODER_FILES,
                        f'random weights (random_weights_seed {config.random_weights_seed})')
        model.to_empty(device='cpu')
        draw_random_weights(model, config.random_weights_seed)
        return model
    _load_part(folder, MODEL_FILES, load_transformer_weights, model.transformer)
    if has_wan:
        _load_part(folder, AUTOENCODER_FILES, load_autoencoder_weights, model.autoencoder)
    return model


def _refuse_weights(folder: Path, names: tuple[str, ...], what: str) -> None:
    found = [name for name in names if (folder / name).is_file()]
    if found:
        raise CheckpointError(
            f'{folder / CONFIG_FILE} asks for {what}, but {found[0]} is there too; remove one')


def _load_part(
    folder: Path, names: tuple[str, ...],
    load: Callable[[nn.Module, Mapping[str, Tensor]], None], part: nn.Module,
) -> None:
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        raise CheckpointError(f'no weights: {folder} must hold one of {", ".join(names)}')
    try:
        load(part, read_tensors(path))
    except CheckpointError as error:
        raise CheckpointError(f'{path}: {error}') from error


def _wan_names(autoencoder: WanAutoencoder) -> dict[str, str]:
    num_res_blocks = autoencoder.wan.config.num_res_blocks
    return {released_wan_name(name, num_res_blocks=num_res_blocks): name
            for name in autoencoder.wan.state_dict()}


def _load_strictly(module: nn.Module, given: Mapping[str, Tensor], what: str) -> None:
    expected = module.state_dict()
    problems = {
        'missing': [name for name in expected if name not in given],
        'unexpected': [name for name in given if name not in expected],
        'of another shape': [
            f'{name} {tuple(given[name].shape)} instead of {tuple(tensor.shape)}'
            for name, tensor in expected.items()
            if name in given and given[name].shape != tensor.shape],
        'not floating-point': [name for name in expected
                               if name in given and not given[name].is_floating_point()]}
    texts = [f'{len(names)} {kind}: {_names(names)}' for kind, names in problems.items() if names]
    if texts:
        raise CheckpointError(f'weights do not fit the {what}: {"; ".join(texts)}')
    module.load_state_dict(dict(given), assign=True)


def _names(names: list[str]) -> str:
    shown = ', '.join(sorted(map(str, names))[:_NUM_NAMES_SHOWN])
    return shown + (', ...' if len(names) > _NUM_NAMES_SHOWN else '')
