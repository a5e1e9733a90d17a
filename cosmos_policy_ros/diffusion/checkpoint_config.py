# SPDX-License-Identifier: Apache-2.0
"""The configuration of a checkpoint: its own, or for a released one the one that fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
import json
from pathlib import Path
import re

import torch

from cosmos_policy_ros.diffusion.checkpoint_files import CheckpointFiles, CONFIG_FILE
from cosmos_policy_ros.diffusion.checkpoint_paths import known_checkpoints
from cosmos_policy_ros.diffusion.config import load_config, ModelConfig
from cosmos_policy_ros.diffusion.weight_files import NETWORK_PREFIX, read_shapes
from cosmos_policy_ros.errors import CheckpointError

# What the released planning model was refined to predict: the value of a state alone.
PLANNING_VALUES = ('v_next',)

_FIRST_LAYER = 'x_embedder.proj.1.weight'
_BLOCK = re.compile(r'blocks\.(\d+)\.')


def read_checkpoint_config(
    files: CheckpointFiles, *, asked: str | Path | None = None,
) -> ModelConfig:
    """Read the configuration of a checkpoint; its weights are only looked at.

    Args:
        files: The parts of the checkpoint.
        asked: Known model, or path of a `config.json`, to use instead of what would be found.

    Raises:
        CheckpointError: If no known configuration fits released weights.
        ConfigurationError: If the configuration is not valid.
    """
    if asked is not None:
        return _named_config(asked)
    if files.config is not None:
        return load_config(files.config)
    try:
        config = _fitting_config(read_shapes(files.weights), files.statistics)
    except CheckpointError as error:
        raise CheckpointError(f'{files.weights}: {error}') from error
    return replace(config, trained_values=PLANNING_VALUES) if files.is_planning_model else config


def _named_config(name_or_path: str | Path) -> ModelConfig:
    path = known_checkpoints().get(str(name_or_path), Path(name_or_path).expanduser())
    return load_config(path / CONFIG_FILE if path.is_dir() else path)


def _fitting_config(shapes: Mapping[str, torch.Size], statistics: Path | None) -> ModelConfig:
    """Return the known configuration with as many blocks of the same width.

    Where several have, it is the one with as many actions and joints as the statistics.
    """
    sizes = _sizes(shapes)
    known = {name: load_config(folder / CONFIG_FILE)
             for name, folder in known_checkpoints().items()}
    trained = {name: config for name, config in known.items()
               if config.random_weights_seed is None and not config.trained_values}
    fitting = [config for config in trained.values()
               if (config.transformer.num_blocks, config.transformer.width) == sizes]
    if len(fitting) > 1 and statistics is not None:
        dims = _statistics_dims(statistics)
        fitting = [config for config in fitting if (config.action_dim, config.proprio_dim) == dims]
    if len(fitting) == 1:
        return fitting[0]
    shown = ', '.join(
        f'{name} ({config.transformer.num_blocks} blocks of width {config.transformer.width})'
        for name, config in trained.items())
    raise CheckpointError(
        f'the transformer has {sizes[0]} blocks of width {sizes[1]}, which fits '
        f'{len(fitting) or "none"} of the known configurations: {shown or "there is none"}; name '
        f'one, or put a {CONFIG_FILE} beside the weights')


def _sizes(shapes: Mapping[str, torch.Size]) -> tuple[int, int]:
    """Number of blocks, and width of a token."""
    named = {name.removeprefix(NETWORK_PREFIX): shape for name, shape in shapes.items()}
    blocks = [int(match[1]) for match in map(_BLOCK.match, named) if match]
    if not blocks or not named.get(_FIRST_LAYER):
        missing = _FIRST_LAYER if blocks else 'blocks.0'
        raise CheckpointError(f'these are not the weights of a transformer: none of the '
                              f'{len(named)} tensors is named {missing}')
    return max(blocks) + 1, named[_FIRST_LAYER][0]


def _statistics_dims(path: Path) -> tuple[int, int]:
    try:
        content = json.loads(path.read_text())
        return len(content['actions_min']), len(content['proprio_min'])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f'cannot read statistics {path}: {error}') from error
