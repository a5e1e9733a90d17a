# SPDX-License-Identifier: Apache-2.0
"""What a training begins with: configuration, texts, statistics, weights and state."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, replace
import json
from pathlib import Path
import platform
from typing import Any, TYPE_CHECKING

from rich.console import Console
import torch
from torch import distributed

from cosmos_policy_ros import __version__
from cosmos_policy_ros.cli.training_run.data import TrainingData
from cosmos_policy_ros.diffusion.checkpoint_config import read_checkpoint_config
from cosmos_policy_ros.diffusion.checkpoint_files import checkpoint_files
from cosmos_policy_ros.diffusion.checkpoint_paths import find_checkpoint
from cosmos_policy_ros.diffusion.config import load_config, ModelConfig
from cosmos_policy_ros.diffusion.text_embedding import (
    drawn_embedding, load_text_embeddings, TextEmbeddings)
from cosmos_policy_ros.errors import CheckpointError, ConfigurationError
from cosmos_policy_ros.spec.aloha import ALOHA
from cosmos_policy_ros.spec.statistics import DatasetStatistics, load_statistics
from cosmos_policy_ros.training.adapters import add_adapters, load_adapter_weights
from cosmos_policy_ros.training.data_statistics import (
    check_statistics, compute_statistics, constant_dimensions)
from cosmos_policy_ros.training.initial_weights import load_initial_weights, untrained_model
from cosmos_policy_ros.training.run_folder import RunFolder
from cosmos_policy_ros.training.sharding import load_shards, shard_transformer
from cosmos_policy_ros.training.trainer import Trainer

if TYPE_CHECKING:
    from cosmos_policy_ros.cli.train import TrainOptions

# What a run that is resumed must have in common with itself.
_KEPT = ('config', 'training', 'init')


def find_config(options: TrainOptions) -> ModelConfig:
    """Read the configuration of the model to train, with what the options change in it."""
    config = (load_config(Path(options.config)) if options.config.endswith('.json')
              else read_checkpoint_config(checkpoint_files(find_checkpoint(options.config))))
    return config if options.sigma_min is None else replace(config, sigma_min=options.sigma_min)


def as_trained(
    config: ModelConfig, options: TrainOptions, data: TrainingData,
) -> ModelConfig:
    """Note in a configuration what the weights learn from.

    That is the order of the arms, and which value planning may rank by: one that saw failures too.
    """
    config = replace(config, arm_order=tuple(arm.side for arm in ALOHA.arms))
    samples = options.training.samples
    has_values = samples.demonstration_share < 1 and samples.world_model_share < 1
    outcomes = {item.is_success for item in data.learned}
    if not has_values or outcomes != {False, True}:
        return config
    values = sorted({*config.trained_values, options.training.loss.value_kind})
    return replace(config, random_weights_seed=None, trained_values=tuple(values))


def newest_checkpoint(options: TrainOptions, folder: RunFolder) -> Path | None:
    """Return the checkpoint to resume from; None for a new run.

    Raises:
        CheckpointError: If there is none although one is asked for, or one although none is.
    """
    checkpoints = folder.checkpoints
    if options.resume and not checkpoints:
        raise CheckpointError(f'{folder.path} holds no checkpoint to resume from')
    if checkpoints and not options.resume:
        raise CheckpointError(f'{folder.path} holds a run already; go on with --resume, or choose '
                              'another output')
    return checkpoints[-1] if checkpoints else None


def find_texts(
    options: TrainOptions, config: ModelConfig, tasks: Collection[str],
) -> TextEmbeddings:
    """Find the embeddings that the trained model will know: those of `init`, and of the data."""
    source = options.init or options.config
    folder = Path(source).parent if source.endswith('.json') else find_checkpoint(source)
    shape = {'num_tokens': config.text_tokens, 'text_dim': config.transformer.text_dim}
    known = load_text_embeddings(checkpoint_files(folder).text_embeddings, **shape).by_task
    if options.new_tasks:
        known = {**{task: drawn_embedding(task, **shape) for task in tasks}, **known}
    if options.init is None:
        known = {task: known[task] for task in sorted(set(tasks) & known.keys())}
    return TextEmbeddings(by_task=known)


def find_statistics(
    options: TrainOptions, config: ModelConfig, data: TrainingData, newest: Path | None,
    console: Console,
) -> DatasetStatistics:
    """Take the statistics of the weights to begin with, or compute those of the data."""
    episodes = [item.episode for item in data.learned]
    is_kept = options.init and not options.new_statistics
    source = newest or (find_checkpoint(options.init) if is_kept else None)
    path = checkpoint_files(source).statistics if source is not None else None
    if path is not None:
        statistics = load_statistics(
            path, action_size=config.action_dim, proprio_size=config.proprio_dim)
        # Rollouts may stray; it is the demonstrations that tell other data.
        check_statistics(statistics, [
            item.episode for item in data.learned if item.is_demonstration] or episodes)
        return statistics
    for name, dimensions in constant_dimensions(episodes).items():
        if dimensions:
            console.print(f'[yellow]{name} {dimensions} never change in these data; they get a '
                          'small range around their value[/]')
    return compute_statistics(episodes)


def build_trainer(
    options: TrainOptions, config: ModelConfig, newest: Path | None, device: torch.device,
) -> Trainer:
    """Build a trainer of the model with the weights to begin with."""
    training = options.training
    rank = training.batches.lora_rank
    _check_ways(options)
    model = untrained_model(config, training.batches.seed)
    init = find_checkpoint(options.init) if options.init else None
    # Adapters learn on top of the weights that the run began with.
    start = init if rank else newest or init
    if start is not None:
        load_initial_weights(model, checkpoint_files(start).weights)
    model = model.to(device)
    if rank:
        add_adapters(model.transformer, rank, training.batches.seed)
    if options.shard:
        shard_transformer(model)
    return Trainer(
        model, settings=training.batches, optimiser=training.optimiser, loss=training.loss)


def resume_trainer(
    options: TrainOptions, trainer: Trainer, folder: RunFolder, newest: Path,
) -> float:
    """Put the state of a checkpoint into a trainer; return the time that led to it in [s]."""
    state = folder.load_state(newest)
    if options.shard:
        load_shards(newest, trainer.model, trainer.optimisers)
        trainer.step = state['step']
    else:
        trainer.load_state(state)
    if options.training.batches.lora_rank:
        load_adapter_weights(trainer.model.transformer, state['adapters'])
    return state['elapsed_s']


def describe_run(
    options: TrainOptions, config: ModelConfig, data: TrainingData,
) -> dict[str, Any]:
    """Return what a run is, as it is written beside its results."""
    steps = sum(len(item.episode) for item in data.learned)
    return json.loads(json.dumps({
        'software_version': __version__, 'torch': torch.__version__,
        'machine': platform.processor() or platform.machine(), 'threads': options.threads,
        'device': options.device, 'config': asdict(config),
        'training': asdict(options.training), 'init': options.init,
        'new_statistics': options.new_statistics,
        'budget': {'steps': options.steps, 'minutes': options.minutes},
        'data': {'identity': data.identity, 'folders': [str(path) for path in options.data],
                 'learned': len(data.learned), 'held_out': len(data.held_out),
                 'steps': steps}}))


def check_same_run(card: dict[str, Any], before: dict[str, Any]) -> None:
    """Refuse to resume a run as another one.

    Raises:
        ConfigurationError: If the data, the model, the settings or the first weights differ.
    """
    now, then = (facts.get('data', {}).get('identity') for facts in (card, before))
    if now != then:
        raise ConfigurationError(
            f'the run to resume learned from other data ({then}; now {now}); resume with the '
            'same, or begin a new run with its checkpoint as init')
    for key in _KEPT:
        if before.get(key) != card[key]:
            raise ConfigurationError(
                f'the run to resume has another {key}; use the options that it was begun with')


def num_processes() -> int:
    """Return how many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def _check_ways(options: TrainOptions) -> None:
    training = options.training
    if training.batches.lora_rank and (options.init is None or options.shard):
        raise ConfigurationError(
            f'lora_rank {training.batches.lora_rank} adapts weights to begin with: give them with '
            'init, and leave out shard')
    if options.shard and not distributed.is_initialized():
        raise ConfigurationError('shard spreads a model over processes; start them with torchrun')
    if options.shard and (
            training.optimiser.optimiser != 'adamw' or training.batches.ema_decay):
        raise ConfigurationError(
            f'shard needs the optimiser adamw, without ema_decay; asked for '
            f'{training.optimiser.optimiser} and {training.batches.ema_decay:g}')
