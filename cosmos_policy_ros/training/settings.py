# SPDX-License-Identifier: Apache-2.0
"""What a user decides about a training; nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass, field
import math
from typing import Any

from cosmos_policy_ros.diffusion.latent_layout import VALUE_ROLES
from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.training.returns import GAMMA

AUGMENTATIONS = ('none', 'weak', 'strong')
OPTIMISERS = ('adamw', 'muon')
PRECISIONS = ('float32', 'bfloat16')
SCHEDULES = ('published', 'linear')
# Decays and shares that must stay below one.
MOST = 1 - 1e-9


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise ConfigurationError(text)


def _require_known(settings: Any, **known: tuple[str, ...]) -> None:
    for name, values in known.items():
        value = getattr(settings, name)
        _require(value in values, f'{name} is {value!r}; known: {", ".join(values)}')


def _require_shares(settings: Any, *names: str, limit: float = 1.0) -> None:
    for name in names:
        value = getattr(settings, name)
        _require(0 <= value <= limit, f'{name} is {value}; allowed is 0 to {limit:g}')


def _require_positive(settings: Any, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        _require(0 < value < math.inf, f'{name} is {value}; it must be positive')


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """How much each part of a prediction counts.

    Attributes:
        action_weight: Weight of the action frame.
        proprio_weight: Weight of the future joints.
        view_weight: Weight of each future image.
        value_weight: Weight of the value.
        own_parts_only: Judge policy samples by their action alone, world-model samples by the
            future alone and value samples by the value alone; otherwise by all that they denoise.
        policy_learns_value: Judge policy samples by their value too.
        value_kind: What value samples are given: everything before the value (`v_full`), only the
            future (`v_next`, for planning) or only the present and the action (`q`).
        scale: Factor of the whole loss.
    """

    action_weight: float = 1.0
    proprio_weight: float = 1.0
    view_weight: float = 1.0
    value_weight: float = 1.0
    own_parts_only: bool = False
    policy_learns_value: bool = True
    value_kind: str = 'v_full'
    scale: float = 10.0

    def __post_init__(self) -> None:
        _require_known(self, value_kind=tuple(VALUE_ROLES))
        _require_positive(self, 'scale')
        for name in ('action_weight', 'proprio_weight', 'view_weight', 'value_weight'):
            value = getattr(self, name)
            _require(0 <= value < math.inf, f'{name} is {value}; it must not be negative')


@dataclass(frozen=True, kw_only=True)
class NoiseSettings:
    """Log-normal noise levels mixed with uniform ones, which reach where sampling starts.

    Attributes:
        log_mean: Mean of the logarithm of log-normal levels.
        log_std: Standard deviation of that logarithm.
        uniform_low: Smallest uniform level.
        uniform_high: Largest uniform level.
        uniform_share: Share of uniform levels.
    """

    log_mean: float = math.log(4)
    log_std: float = 1.2
    uniform_low: float = 1.0
    uniform_high: float = 85.0
    uniform_share: float = 0.3

    def __post_init__(self) -> None:
        _require_positive(self, 'log_std', 'uniform_low', 'uniform_high')
        _require_shares(self, 'uniform_share')
        _require(math.isfinite(self.log_mean), f'log_mean is {self.log_mean}')
        _require(self.uniform_low < self.uniform_high,
                 f'uniform_low {self.uniform_low} must be below uniform_high {self.uniform_high}')


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """Which samples are drawn, and how often.

    Attributes:
        demonstration_share: Share of policy samples, which come from demonstrations.
        success_share: Share of successes in the others; where one pool is empty, the other one
            gives all.
        world_model_share: Share of world-model samples in those; the rest are value samples.
        demonstrations_are_rollouts: Take successful demonstrations for rollouts as well.
        partial_scores: Value a task that was done in part by that part; otherwise a failure is
            worth nothing, as in the success rate that a plan is judged by.
        gamma: Discount of the score per step.
        max_image_age_s: Begin and end samples only where every image was taken at most this long
            before in [s], for episodes of which fewer images were recorded than there are steps;
            None for any age.
        augmentation: `none`, `weak` or `strong` random crops, turns and colours.
    """

    demonstration_share: float = 0.5
    success_share: float = 0.5
    world_model_share: float = 0.5
    demonstrations_are_rollouts: bool = True
    partial_scores: bool = True
    gamma: float = GAMMA
    max_image_age_s: float | None = None
    augmentation: str = 'none'

    def __post_init__(self) -> None:
        _require_shares(self, 'demonstration_share', 'success_share', 'world_model_share',
                        'gamma')
        _require_positive(self, 'gamma')
        if self.max_image_age_s is not None:
            _require_positive(self, 'max_image_age_s')
        _require_known(self, augmentation=AUGMENTATIONS)


@dataclass(frozen=True, kw_only=True)
class OptimiserSettings:
    """How weights are changed.

    Attributes:
        optimiser: `adamw`, or `muon` for the matrices of the blocks and AdamW for the rest.
        learning_rate: Largest learning rate.
        weight_decay: Decoupled weight decay of all parameters.
        beta1: Decay of AdamW's mean gradient.
        beta2: Decay of AdamW's mean squared gradient.
        epsilon: What AdamW adds to the root of that.
        momentum: Decay of Muon's mean gradient.
        max_gradient_norm: Larger gradients are scaled down to this.
        schedule: `linear` down to zero by the end of the run, or `published`: down to 0.3 at
            `decay_steps`, then 0.06.
        warmup_steps: Steps in which the learning rate rises.
        decay_steps: End of the decay of the published schedule.
        flat_share: Share of the run after which the linear schedule begins to fall.
    """

    optimiser: str = 'adamw'
    learning_rate: float = 1e-4
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.99
    epsilon: float = 1e-8
    momentum: float = 0.95
    max_gradient_norm: float = 1.0
    schedule: str = 'published'
    warmup_steps: int = 2000
    decay_steps: int = 20000
    flat_share: float = 0.0

    def __post_init__(self) -> None:
        _require_known(self, optimiser=OPTIMISERS, schedule=SCHEDULES)
        _require_positive(self, 'learning_rate', 'epsilon', 'max_gradient_norm', 'warmup_steps')
        _require_shares(self, 'beta1', 'beta2', 'momentum', 'flat_share', 'weight_decay',
                        limit=MOST)
        _require(self.schedule != 'published' or self.decay_steps > self.warmup_steps,
                 f'decay_steps is {self.decay_steps}; it must be above warmup_steps, '
                 f'{self.warmup_steps}')


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """How batches become changes of the weights.

    Attributes:
        batch_size: Samples between two changes, all processes together.
        accumulation: Parts in which a batch is computed, to save memory.
        recompute: Compute the blocks again in the backward pass: a fraction of the memory, a third
            more time.
        lora_rank: Rank of low-rank adapters, which then are all that learns; 0 to train all
            weights. Needs weights to begin with.
        precision: `float32`, or `bfloat16` for the passes through the network; weights stay
            float32.
        ema_decay: Decay of the running mean of the weights, which is then what is validated and
            exported; 0 for none.
        seed: Seed of the first weights and of all samples.
    """

    batch_size: int = 32
    accumulation: int = 1
    recompute: bool = False
    lora_rank: int = 0
    precision: str = 'float32'
    ema_decay: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        _require_known(self, precision=PRECISIONS)
        _require_positive(self, 'batch_size', 'accumulation')
        _require(self.lora_rank >= 0, f'lora_rank is {self.lora_rank}; it must not be negative')
        _require_shares(self, 'ema_decay', limit=MOST)
        _require(self.batch_size % self.accumulation == 0,
                 f'batch_size {self.batch_size} is no multiple of accumulation '
                 f'{self.accumulation}')


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Everything that decides, with the data and the model, what a training results in.

    Attributes:
        batches: Batches and precision.
        optimiser: How weights are changed.
        loss: How much each part counts.
        samples: Which samples are drawn.
        noise: Which noise levels are drawn.
    """

    batches: BatchSettings = field(default_factory=BatchSettings)
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    samples: SampleSettings = field(default_factory=SampleSettings)
    noise: NoiseSettings = field(default_factory=NoiseSettings)


def small_model_settings() -> TrainingSettings:
    """Return what trains `aloha_small` in an hour on two cores; the defaults are the published.

    An action is known to a hundredth of its range in the end, an image, which is noisy, never to
    better than a quarter of its own: with equal weights the gradient would be of images alone.
    """
    return TrainingSettings(
        batches=BatchSettings(batch_size=64, ema_decay=0.995),
        optimiser=OptimiserSettings(
            optimiser='muon', learning_rate=2e-3, weight_decay=0.05, schedule='linear',
            warmup_steps=50, flat_share=0.5),
        loss=LossSettings(action_weight=10.0, proprio_weight=3.0, view_weight=0.2),
        samples=SampleSettings(demonstration_share=0.6))
