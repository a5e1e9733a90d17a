# SPDX-License-Identifier: Apache-2.0
"""Batches from prepared episodes; the batch of a step depends on the seed and the step alone.

So a run that is resumed, or spread over processes, sees the same samples as one that is not.

Legend: B batch, K chunk size, N steps of an episode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from cosmos_policy_ros.diffusion.config import ModelConfig
from cosmos_policy_ros.diffusion.latent_layout import latent_layout
from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.spec.statistics import DatasetStatistics
from cosmos_policy_ros.training.augmentation import augment
from cosmos_policy_ros.training.loss import TrainingBatch
from cosmos_policy_ros.training.noise_levels import draw_sigmas
from cosmos_policy_ros.training.prepared_episode import PreparedEpisode
from cosmos_policy_ros.training.returns import scaled_returns
from cosmos_policy_ros.training.sample_kind import SampleKind
from cosmos_policy_ros.training.settings import NoiseSettings, SampleSettings


class Pool(Enum):
    """What an episode is used for."""

    DEMONSTRATION = 'demonstration'
    SUCCESS = 'success'
    FAILURE = 'failure'


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledEpisode:
    """A prepared episode with what is known about it.

    Attributes:
        episode: Its images and vectors.
        task: Text of the task.
        score: Share of the task that was done, 0 to 1.
        is_demonstration: Whether a person or an expert drove.
        is_success: Whether the task was done.
    """

    episode: PreparedEpisode
    task: str
    score: float
    is_demonstration: bool
    is_success: bool


@dataclass(frozen=True, kw_only=True)
class _Draws:
    """Where samples come from, and what is random about them. Each of shape (B,)."""

    kinds: np.ndarray
    episodes: np.ndarray
    samples: np.ndarray
    sigmas: np.ndarray
    seeds: np.ndarray

    def part(self, part: slice) -> _Draws:
        """Return those of some of the samples."""
        return _Draws(**{name: values[part] for name, values in vars(self).items()})


class TrainingSet(Dataset):
    """Batches by number. Frames stay on disk until their batch is asked for.

    Args:
        episodes: Episodes to learn from.
        config: Configuration of the model.
        statistics: Bounds by which vectors are normalised.
        texts: Task to embedding of shape (M, *).
        samples: Which samples are drawn.
        noise: Which noise levels are drawn.
        batch_size: Samples of a batch, all processes together.
        seed: Seed of everything that is drawn.
        rank: Number of this process; it gets its part of every batch.
        num_processes: Processes that share a batch.

    Raises:
        ConfigurationError: If there is nothing to learn from, a task has no embedding, or the
            batch cannot be shared out.
    """

    def __init__(
        self, episodes: Sequence[LabelledEpisode], *, config: ModelConfig,
        statistics: DatasetStatistics, texts: Mapping[str, Tensor],
        samples: SampleSettings = SampleSettings(), noise: NoiseSettings = NoiseSettings(),
        batch_size: int, seed: int, rank: int = 0, num_processes: int = 1,
    ) -> None:
        self._episodes = list(episodes)
        self._config, self._statistics = config, statistics
        self._samples, self._noise = samples, noise
        self._layout = latent_layout(config.layout)
        self._seed, self._batch_size = seed, batch_size
        if batch_size % num_processes:
            raise ConfigurationError(
                f'batch_size {batch_size} cannot be shared by {num_processes} processes')
        size = batch_size // num_processes
        self._part = slice(rank * size, (rank + 1) * size)
        self._spans = [_spans(item.episode, config.chunk_size, samples.max_image_age_s)
                       for item in self._episodes]
        self._lengths = np.array([len(starts) for starts, _ in self._spans])
        self._pools = _pools(self._episodes, samples)
        self._texts = _texts(self._episodes, texts)
        self._returns = [scaled_returns(len(item.episode), _score(item, samples),
                                        gamma=samples.gamma)
                         for item in self._episodes]

    def __len__(self) -> int:
        """Return the number of steps of all episodes at which a sample can begin."""
        return int(self._lengths.sum())

    def __getitem__(self, number: int) -> TrainingBatch:
        """Return this process's part of the batch of that number."""
        random = np.random.default_rng([self._seed, number])
        return self._batch(self._draw(random).part(self._part), self._samples.augmentation)

    def fixed(self, count: int, *, seed: int) -> TrainingBatch:
        """Return policy samples spread evenly over the demonstrations, for validation."""
        pool = self._pools[Pool.DEMONSTRATION]
        shares = (np.arange(count) + 0.5) / count
        episodes, samples = zip(*(self._place(pool, share) for share in shares))
        return self._batch(_Draws(
            kinds=np.full(count, SampleKind.POLICY, np.int64), episodes=np.array(episodes),
            samples=np.array(samples), sigmas=np.ones(count, np.float32),
            seeds=seed + np.arange(count)), 'none')

    def _draw(self, random: np.random.Generator) -> _Draws:
        count, settings = self._batch_size, self._samples
        is_policy = random.random(count) < settings.demonstration_share
        is_success = random.random(count) < settings.success_share
        is_world = random.random(count) < settings.world_model_share
        places = random.random(count)
        kinds = np.where(is_policy, SampleKind.POLICY,
                         np.where(is_world, SampleKind.WORLD_MODEL, SampleKind.VALUE))
        pools = [self._pool(kind, success) for kind, success in zip(kinds, is_success)]
        episodes, samples = zip(*map(self._place, pools, places))
        sigmas = draw_sigmas(
            random, count, self._noise, num_latent_frames=self._layout.num_latent_frames)
        return _Draws(
            kinds=kinds.astype(np.int64), episodes=np.array(episodes),
            samples=np.array(samples), sigmas=sigmas, seeds=random.integers(0, 2**63, count))

    def _pool(self, kind: int, is_success: bool) -> np.ndarray:
        if kind == SampleKind.POLICY:
            return self._pools[Pool.DEMONSTRATION]
        first, second = (Pool.SUCCESS, Pool.FAILURE) if is_success else (
            Pool.FAILURE, Pool.SUCCESS)
        return self._pools[first] if len(self._pools[first]) else self._pools[second]

    def _place(self, pool: np.ndarray, share: float) -> tuple[int, int]:
        """Episode and number of a sample in it at a share of the samples of a pool."""
        ends = np.cumsum(self._lengths[pool])
        place = int(share * ends[-1])
        which = int(np.searchsorted(ends, place, side='right'))
        return int(pool[which]), place - int(ends[which] - self._lengths[pool[which]])

    def _unit_noise(self, seed: int) -> Tensor:
        size = self._config.latent_size
        shape = (self._config.autoencoder.latent_channels, self._layout.num_latent_frames, size,
                 size)
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))

    def _batch(self, draws: _Draws, augmentation: str) -> TrainingBatch:
        """Read the samples of a batch."""
        items = [self._episodes[index] for index in draws.episodes]
        starts, ends = np.transpose([
            self._spans[index][:, number] for index, number in zip(draws.episodes, draws.samples)])
        images = torch.from_numpy(np.stack([
            np.concatenate((item.episode.images[start], item.episode.images[end]))
            for item, start, end in zip(items, starts, ends)]))  # (B, 2 V, S, S, 3)
        current, future = augment(images, augmentation, draws.seeds).chunk(2, dim=1)
        proprio, future_proprio = (
            self._statistics.proprio.normalise(
                [item.episode.proprio[step] for item, step in zip(items, steps)])
            for steps in (starts, ends))
        chunks = [action_chunk(item.episode.actions, start, self._config.chunk_size)
                  for item, start in zip(items, starts)]
        return TrainingBatch(
            current=current, future=future, proprio=_float(proprio),
            future_proprio=_float(future_proprio),
            actions=_float(self._statistics.actions.normalise(chunks)),
            values=_float([self._returns[index][end]
                           for index, end in zip(draws.episodes, ends)]),
            text=torch.stack([self._texts[item.task] for item in items]),
            kinds=torch.from_numpy(draws.kinds), sigmas=torch.from_numpy(draws.sigmas),
            noise=torch.stack([self._unit_noise(int(seed)) for seed in draws.seeds]))


def action_chunk(actions: np.ndarray, start: int, size: int) -> np.ndarray:
    """Return the actions (K, A) from a step on, the last one repeated after the end."""
    return actions[np.minimum(np.arange(start, start + size), len(actions) - 1)]


def _spans(
    episode: PreparedEpisode, chunk_size: int, max_image_age_s: float | None,
) -> np.ndarray:
    """Return the steps at which samples can begin and those at which they end. Shape (2, *)."""
    seen = np.arange(len(episode))
    if max_image_age_s is not None:
        seen = seen[episode.image_ages_s <= max_image_age_s]
    if not len(seen):
        raise ConfigurationError(
            f'max_image_age_s is {max_image_age_s:g}, but no step of episode {episode.name} has '
            f'images as new as that; the newest are {episode.image_ages_s.min():.3g} s old')
    ends = np.minimum(seen + chunk_size, seen[-1])
    return np.stack((seen, ends))[:, np.isin(ends, seen)]


def _score(item: LabelledEpisode, samples: SampleSettings) -> float:
    return item.score if samples.partial_scores else float(item.is_success)


def _float(values: np.ndarray | list) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def _pools(
    episodes: Sequence[LabelledEpisode], settings: SampleSettings,
) -> dict[Pool, np.ndarray]:
    demonstrations = [i for i, item in enumerate(episodes)
                      if item.is_demonstration and item.is_success]
    again = demonstrations if settings.demonstrations_are_rollouts else []
    successes = [i for i, item in enumerate(episodes)
                 if item.is_success and not item.is_demonstration] + again
    failures = [i for i, item in enumerate(episodes) if not item.is_success]
    if settings.demonstration_share > 0 and not demonstrations:
        raise ConfigurationError(
            f'{len(episodes)} episodes, none of which is a successful demonstration (mode '
            'teleoperation or scripted, outcome success; `import --demonstrations`); a policy '
            'learns from those alone (set demonstration_share to 0 to train without it)')
    if settings.demonstration_share < 1 and not (successes or failures):
        raise ConfigurationError('no episode for world-model and value samples')
    return {Pool.DEMONSTRATION: np.array(demonstrations, np.int64),
            Pool.SUCCESS: np.array(successes, np.int64),
            Pool.FAILURE: np.array(failures, np.int64)}


def _texts(
    episodes: Sequence[LabelledEpisode], texts: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    tasks = sorted({item.task for item in episodes})
    missing = [task for task in tasks if task not in texts]
    if missing:
        raise ConfigurationError(
            f'no text embedding of {", ".join(map(repr, missing))}; the model knows '
            f'{", ".join(map(repr, sorted(texts))) or "no task"}; see cosmos-policy embed --help')
    return {task: texts[task].float() for task in tasks}
