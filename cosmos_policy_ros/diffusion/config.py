# SPDX-License-Identifier: Apache-2.0
"""What a model is made of: sizes of the networks, frames, chunk and noise range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, MISSING
import json
import math
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints, TypeVar

from cosmos_policy_ros.diffusion.latent_layout import latent_layout, VALUE_ROLES
from cosmos_policy_ros.errors import ConfigurationError

T = TypeVar('T')

PREDICTIONS = ('velocity', 'clean')
"""What a network's output is: noise minus clean sequence, as of the released models, or D."""


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise ConfigurationError(text)


def _require_positive(config: Any, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        _require(math.isfinite(value) and value > 0,
                 f'{type(config).__name__}: {name} is {value}; it must be positive')


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Sizes of the diffusion transformer.

    Attributes:
        num_blocks: Number of transformer blocks.
        width: Channels of a token.
        num_heads: Attention heads; the width of a head must be even and at least 6, so that the
            rotary embedding can be split over time, height and width.
        mlp_ratio: Hidden width of the MLP over the width.
        adaln_lora_dim: Rank of the per-layer part of the timestep modulation.
        text_dim: Channels of a text token.
        patch_size: Side of a square patch in latent pixels.
        rope_ratios: Extrapolation ratios of the rotary embedding along time, height, width.
        learned_positions: Whether each patch of each frame also has an embedding of its own, so
            that a network without pre-training need not find out by rotation alone what is where.
    """

    num_blocks: int
    width: int
    num_heads: int
    mlp_ratio: float
    adaln_lora_dim: int
    text_dim: int
    patch_size: int
    rope_ratios: tuple[float, ...]
    learned_positions: bool = False

    def __post_init__(self) -> None:
        _require_positive(self, 'num_blocks', 'width', 'num_heads', 'mlp_ratio',
                          'adaln_lora_dim', 'text_dim', 'patch_size')
        _require(self.width % (2 * self.num_heads) == 0 and self.head_dim >= 6,
                 f'width {self.width} cannot be split over {self.num_heads} heads; the width of '
                 'a head must be even and at least 6')
        _require(len(self.rope_ratios) == 3 and min(self.rope_ratios) > 0,
                 f'rope_ratios is {self.rope_ratios}; three positive numbers are required')

    @property
    def head_dim(self) -> int:
        """Channels of one attention head."""
        return self.width // self.num_heads

    @property
    def mlp_width(self) -> int:
        """Hidden channels of the MLP."""
        return int(self.width * self.mlp_ratio)


@dataclass(frozen=True, kw_only=True)
class WanAutoencoderConfig:
    """Sizes of the Wan video autoencoder.

    Attributes:
        kind: Always `wan`.
        base_dim: Channels of the outermost level.
        latent_channels: Channels of a latent frame.
        channel_multipliers: Channels of each level over base_dim; each level but the last
            halves the image.
        num_res_blocks: Residual blocks of each encoder level.
        temporal_downsample: Whether each transition between levels also halves the time.
    """

    kind: str = field(default='wan', init=False)
    base_dim: int
    latent_channels: int
    channel_multipliers: tuple[int, ...]
    num_res_blocks: int
    temporal_downsample: tuple[bool, ...]

    def __post_init__(self) -> None:
        _require_positive(self, 'base_dim', 'latent_channels', 'num_res_blocks')
        _require(len(self.channel_multipliers) == 4
                 and sorted(self.temporal_downsample) == [False, True, True],
                 f'an autoencoder with channel_multipliers {self.channel_multipliers} and '
                 f'temporal_downsample {self.temporal_downsample} does not compress 8 times in '
                 'space and 4 times in time')


@dataclass(frozen=True, kw_only=True)
class PatchAutoencoderConfig:
    """The closed-form autoencoder of image patches, which has neither sizes nor weights.

    Attributes:
        kind: Always `patch`.
    """

    kind: str = field(default='patch', init=False)

    @property
    def latent_channels(self) -> int:
        """Channels of a latent frame."""
        return 16


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Everything about a model but its weights.

    Attributes:
        layout: Name of the latent layout.
        transformer: Sizes of the diffusion transformer.
        autoencoder: Kind and sizes of the video autoencoder.
        text_tokens: Number of text tokens of a task embedding.
        image_size_px: Side of the square images that the model sees in [px].
        camera_resize_px: Side of the square to which camera images are resized first in [px],
            as the training images were when they were stored; None for none.
        jpeg_round_trip: Whether the training images went through JPEG at quality 95.
        chunk_size: Steps of an action chunk.
        chunk_period_s: Spacing of those steps in [s].
        action_dim: Numbers per action.
        proprio_dim: Numbers per measured joint vector.
        sigma_max: Noise level at which sampling starts.
        sigma_min: Noise level of the last denoising step.
        num_denoising_steps: Denoising steps unless asked otherwise.
        random_weights_seed: Seed of the random weights of a model that has no weight files; None
            for a model that has them.
        trained_values: Values that were trained on successes and failures, so that planning can
            rank by them: `v_next`, `v_full` or `q`. The policy's own training also predicts
            values, but demonstrations never fail; a model of them alone has none.
        arm_order: Sides of the arms in the order of the joint vectors that it learned from; empty
            where nobody noted it.
        prediction: What the network's output is, one of `PREDICTIONS`.
        chunk_cutoff_hz: Frequency in [Hz] above which motion within a chunk is the network's
            error and taken out; None leaves chunks as they are predicted.
    """

    layout: str
    transformer: TransformerConfig
    autoencoder: WanAutoencoderConfig | PatchAutoencoderConfig
    text_tokens: int
    image_size_px: int
    camera_resize_px: int | None
    jpeg_round_trip: bool
    chunk_size: int
    chunk_period_s: float
    action_dim: int
    proprio_dim: int
    sigma_max: float
    sigma_min: float
    num_denoising_steps: int
    random_weights_seed: int | None
    trained_values: tuple[str, ...] = ()
    arm_order: tuple[str, ...] = ()
    prediction: str = 'velocity'
    chunk_cutoff_hz: float | None = None

    def __post_init__(self) -> None:
        latent_layout(self.layout)
        _require(self.prediction in PREDICTIONS,
                 f'prediction is {self.prediction!r}; known: {", ".join(PREDICTIONS)}')
        self._check_trained_values()
        _require(sorted(self.arm_order) in ([], ['left', 'right']),
                 f'arm_order is {", ".join(self.arm_order)}; it names left and right')
        _require_positive(self, 'text_tokens', 'image_size_px', 'chunk_size', 'chunk_period_s',
                          'action_dim', 'proprio_dim', 'sigma_max', 'sigma_min',
                          'num_denoising_steps')
        _require(self.sigma_min < self.sigma_max,
                 f'sigma_min {self.sigma_min} must be below sigma_max {self.sigma_max}')
        step_px = 8 * self.transformer.patch_size
        _require(self.image_size_px % step_px == 0,
                 f'image_size_px is {self.image_size_px}; it must be a multiple of {step_px}')
        self._check_cutoff()
        capacity = self.autoencoder.latent_channels * self.latent_size**2
        for name, length in (('an action chunk', self.chunk_size * self.action_dim),
                             ('a joint vector', self.proprio_dim)):
            _require(length <= capacity, f'{name} of {length} numbers does not fit into a latent '
                                         f'frame of {capacity}')

    def _check_trained_values(self) -> None:
        unknown = set(self.trained_values) - set(VALUE_ROLES)
        _require(not unknown, f'trained_values has {", ".join(sorted(unknown))}; '
                              f'known: {", ".join(VALUE_ROLES)}')
        _require(not self.trained_values or self.random_weights_seed is None,
                 f'trained_values is {", ".join(self.trained_values)}, but random_weights_seed '
                 f'{self.random_weights_seed} says that nothing was trained')

    def _check_cutoff(self) -> None:
        if self.chunk_cutoff_hz is not None:
            highest_hz = 0.5 / self.chunk_period_s
            _require(0 < self.chunk_cutoff_hz < highest_hz,
                     f'chunk_cutoff_hz is {self.chunk_cutoff_hz}; allowed is above 0 and below '
                     f'{highest_hz:g}, half of the rate of a chunk, or null')

    @property
    def latent_size(self) -> int:
        """Side of a latent frame in latent pixels."""
        return self.image_size_px // 8

    @property
    def chunk_period_ns(self) -> int:
        """Spacing of the steps of a chunk in [ns]."""
        return round(self.chunk_period_s * 1e9)


def load_config(path: Path) -> ModelConfig:
    """Read a `config.json`.

    Raises:
        ConfigurationError: If the file cannot be read, a key is missing or unknown, or a value
            has the wrong type or is out of range.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f'cannot read model configuration {path}: {error}') from error
    try:
        return _from_json(ModelConfig, content, 'the configuration')
    except ConfigurationError as error:
        raise ConfigurationError(f'{path}: {error}') from error


def save_config(path: Path, config: ModelConfig) -> None:
    """Write a `config.json` that `load_config` reads."""
    path.write_text(json.dumps(asdict(config), indent=2) + '\n')


def _from_json(kind: type[T], content: Any, where: str) -> T:
    _require(isinstance(content, Mapping), f'{where} is {content!r}; expected an object')
    names = {item.name for item in fields(kind)}
    optional = {item.name for item in fields(kind) if item.init and item.default is not MISSING}
    for text, difference in (('lacks', names - optional - set(content)),
                             ('has unknown keys', set(content) - names)):
        _require(not difference, f'{where} {text}: {", ".join(sorted(difference))}')
    types = get_type_hints(kind)
    given = [item.name for item in fields(kind) if item.init and item.name in content]
    return kind(**{name: _value(types[name], content[name], name) for name in given})


def _variant(variants: Mapping[str, Any], content: Any, where: str) -> Any:
    kind = content.get('kind') if isinstance(content, Mapping) else None
    _require(kind in tuple(variants),
             f'{where} is {content!r}; expected an object whose kind is {" or ".join(variants)}')
    return variants[kind]


def _value(kind: Any, value: Any, name: str) -> Any:
    variants = {item.kind: item for item in get_args(kind) if is_dataclass(item)}
    if variants:
        kind = _variant(variants, value, name)
    if is_dataclass(kind):
        return _from_json(kind, value, name)
    if get_origin(kind) is tuple:
        _require(isinstance(value, list), f'{name} is {value!r}; expected a list')
        return tuple(_value(get_args(kind)[0], item, name) for item in value)
    allowed = get_args(kind) or (kind,)
    if float in allowed and type(value) is int:
        value = float(value)
    _require(type(value) in allowed, f'{name} is {value!r}; expected '
             + ' or '.join(item.__name__ for item in allowed))
    return value
