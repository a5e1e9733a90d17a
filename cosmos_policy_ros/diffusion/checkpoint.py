# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: read strictly, written in the released key names.

Ours is a folder with `config.json`, `statistics.json`, `text_embeddings.safetensors`, and the
weights of the transformer and of the Wan autoencoder (the patch autoencoder has none); without
weights, `config.json` must name the seed from which random ones are drawn. The released ones bring
no such `config.json`, and other names for their files: see `checkpoint_files`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn, Tensor

from cosmos_policy_ros.diffusion.checkpoint_config import read_checkpoint_config
from cosmos_policy_ros.diffusion.checkpoint_files import (
    AUTOENCODER_FILES, AUTOENCODER_REPOSITORY, checkpoint_files, CheckpointFiles, CONFIG_FILE,
    MODEL_FILES, POLICY_REPOSITORY, STATISTICS_FILES, TEXT_FILE, TEXT_PICKLES, WEIGHT_KINDS)
from cosmos_policy_ros.diffusion.checkpoint_paths import find_checkpoint
from cosmos_policy_ros.diffusion.config import (
    ModelConfig, save_config, WanAutoencoderConfig)
from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
from cosmos_policy_ros.diffusion.random_weights import draw_random_weights
from cosmos_policy_ros.diffusion.saved_tensors import save_tensors
from cosmos_policy_ros.diffusion.text_embedding import (
    load_text_embeddings, save_text_embeddings, TextEmbeddings)
from cosmos_policy_ros.diffusion.wan_names import released_wan_name
from cosmos_policy_ros.diffusion.weight_files import (
    is_parameter, list_names, NETWORK_PREFIX, read_tensors)
from cosmos_policy_ros.errors import CheckpointError
from cosmos_policy_ros.spec.statistics import (
    DatasetStatistics, load_statistics, save_statistics)

if TYPE_CHECKING:
    from cosmos_policy_ros.diffusion.wan_autoencoder import WanAutoencoder


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model with all that is needed to use it.

    Attributes:
        name: Name to show.
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

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights, in which the model runs."""
        return self.model.transformer.dtype


def load_checkpoint(
    name_or_path: str | Path, *, device: torch.device | str = 'cpu',
    dtype: torch.dtype | None = None, config: str | Path | None = None,
) -> Checkpoint:
    """Read a checkpoint.

    Args:
        name_or_path: Its folder or weight file, the name of a known model, or a Hugging Face
            repository that was fetched before.
        device: Where the weights go.
        dtype: Precision of the weights. None is bfloat16 for a released checkpoint, whose
            training rounded times, joints, texts and latents to it; else bfloat16 on CUDA and
            float32 elsewhere.
        config: Known model, or path of a `config.json`, that says what the model is made of.
            None reads it beside the weights, or else chooses it by their shapes.

    Raises:
        CheckpointError: If a file is missing or damaged, or does not fit the configuration.
        ConfigurationError: If the configuration is not valid.
    """
    files = checkpoint_files(find_checkpoint(name_or_path))
    chosen = read_checkpoint_config(files, asked=config)
    if chosen.random_weights_seed is None:
        _weights_file(files)  # Where all is missing, this is what to tell.
    statistics = load_statistics(
        _statistics_file(files), action_size=chosen.action_dim, proprio_size=chosen.proprio_dim)
    text_embeddings = load_text_embeddings(
        _text_files(files), num_tokens=chosen.text_tokens,
        text_dim=chosen.transformer.text_dim)
    model = _load_model(files, chosen)
    dtype = dtype or default_dtype(device, is_released=files.is_released)
    return Checkpoint(
        name=files.name, model=model.to(device, dtype).eval(), statistics=statistics,
        text_embeddings=text_embeddings, is_trained=chosen.random_weights_seed is None)


def default_dtype(device: torch.device | str, *, is_released: bool = False) -> torch.dtype:
    """Return the precision in which models run on a device unless asked otherwise."""
    on_gpu = torch.device(device).type == 'cuda'
    return torch.bfloat16 if is_released or on_gpu else torch.float32


def save_checkpoint(
    folder: Path, *, model: CosmosModel, statistics: DatasetStatistics,
    text_embeddings: TextEmbeddings,
) -> None:
    """Write a checkpoint folder that `load_checkpoint` reads, weights in their own precision."""
    folder.mkdir(parents=True, exist_ok=True)
    save_config(folder / CONFIG_FILE, model.config)
    save_statistics(folder / STATISTICS_FILES[0], statistics)
    save_text_embeddings(folder / TEXT_FILE, text_embeddings)
    save_tensors(folder / MODEL_FILES[0], {
        NETWORK_PREFIX + name: tensor for name, tensor in model.transformer.state_dict().items()})
    if isinstance(model.config.autoencoder, WanAutoencoderConfig):
        save_tensors(folder / AUTOENCODER_FILES[0], {
            released: model.autoencoder.wan.get_parameter(name).detach()
            for released, name in _wan_names(model.autoencoder).items()})


def load_transformer_weights(transformer: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put released tensors into the transformer.

    Args:
        transformer: The transformer.
        tensors: Released names, with or without the prefix `net.`, to tensors.

    Raises:
        CheckpointError: If a tensor is missing, unexpected, or has the wrong shape or type.
    """
    given = {name.removeprefix(NETWORK_PREFIX): tensor for name, tensor in tensors.items()
             if is_parameter(name)}
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


def _weights_file(files: CheckpointFiles) -> Path:
    return _required(files.weights, 'weights', files.folder, WEIGHT_KINDS, POLICY_REPOSITORY)


def _statistics_file(files: CheckpointFiles) -> Path:
    return _required(files.statistics, 'statistics', files.folder, STATISTICS_FILES)


def _text_files(files: CheckpointFiles) -> tuple[Path, ...]:
    if not files.text_embeddings:
        raise CheckpointError(
            _missing('text embeddings', files.folder, (TEXT_FILE, TEXT_PICKLES)))
    return files.text_embeddings


def _required(
    path: Path | None, what: str, folder: Path, names: Sequence[str], repository: str = '',
) -> Path:
    if path is None:
        released = f'; for the released ones, run: cosmos-policy fetch {repository}'
        raise CheckpointError(_missing(what, folder, names) + (released if repository else ''))
    return path


def _missing(what: str, folder: Path, names: Sequence[str]) -> str:
    return f'no {what}: {folder} must hold one of {", ".join(names)}'


def _load_model(files: CheckpointFiles, config: ModelConfig) -> CosmosModel:
    with torch.device('meta'):
        model = CosmosModel(config)
    has_wan = isinstance(config.autoencoder, WanAutoencoderConfig)
    if not has_wan:
        _refuse(files, files.autoencoder, 'a patch autoencoder, which has no weights')
    if config.random_weights_seed is not None:
        _refuse(files, files.weights or files.autoencoder,
                f'random weights (random_weights_seed {config.random_weights_seed})')
        model.to_empty(device='cpu')
        draw_random_weights(model, config.random_weights_seed)
        return model
    _load_part(_weights_file(files), load_transformer_weights, model.transformer)
    if has_wan:
        path = _required(files.autoencoder, 'autoencoder', files.folder, AUTOENCODER_FILES,
                         AUTOENCODER_REPOSITORY)
        _load_part(path, load_autoencoder_weights, model.autoencoder)
    return model


def _refuse(files: CheckpointFiles, found: Path | None, what: str) -> None:
    if found is not None:
        raise CheckpointError(
            f'{files.config} asks for {what}, but {found.name} is there too; remove one')


def _load_part(
    path: Path, load: Callable[[nn.Module, Mapping[str, Tensor]], None], part: nn.Module,
) -> None:
    tensors = read_tensors(path)
    try:
        load(part, tensors)
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
    texts = [f'{len(names)} {kind}: {list_names(names)}'
             for kind, names in problems.items() if names]
    if texts:
        raise CheckpointError(f'weights do not fit the {what}: {"; ".join(texts)}')
    module.load_state_dict(dict(given), assign=True)
