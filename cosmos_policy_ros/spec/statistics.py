# SPDX-License-Identifier: Apache-2.0
"""Dataset statistics: normalisation to [-1, 1] and its inverse."""

from __future__ import annotations

from dataclasses import dataclass
import json
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from cosmos_policy_ros.errors import CheckpointError
from cosmos_policy_ros.spec.arrays import locked_array


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Smallest and largest value of each dimension over the training data.

    Attributes:
        name: What the bounds are of, for error texts.
        lower: Smallest values. Shape (A,), float64.
        upper: Largest values. Shape (A,), float64.

    Raises:
        CheckpointError: If the lengths differ, a value is not finite, or a dimension is constant.
    """

    name: str
    lower: np.ndarray
    upper: np.ndarray

    def __post_init__(self) -> None:
        for field_name in ('lower', 'upper'):
            object.__setattr__(self, field_name, locked_array(
                f'{self.name} {field_name} bound', getattr(self, field_name), dtype=np.float64,
                shape=(None,), error=CheckpointError))
        if self.lower.shape != self.upper.shape:
            raise CheckpointError(
                f'{self.name} statistics have {len(self.lower)} minima but {len(self.upper)} '
                'maxima; the lengths must be equal')
        constant = np.flatnonzero(self.upper <= self.lower)
        if len(constant):
            index = int(constant[0])
            raise CheckpointError(
                f'{self.name} statistics: dimension {index} has min {self.lower[index]} and max '
                f'{self.upper[index]}; max must be larger than min')

    def normalise(self, value: ArrayLike) -> np.ndarray:
        """Map [lower, upper] to [-1, 1] without clipping: 2 (x - min) / (max - min) - 1."""
        return 2.0 * (np.asarray(value) - self.lower) / (self.upper - self.lower) - 1.0

    def unnormalise(self, value: ArrayLike) -> np.ndarray:
        """Map [-1, 1] to [lower, upper] without clipping; inverse of `normalise`."""
        return 0.5 * (np.asarray(value) + 1.0) * (self.upper - self.lower) + self.lower


@dataclass(frozen=True, kw_only=True)
class DatasetStatistics:
    """Bounds of the actions and of the measured joints that a model was trained on."""

    actions: Bounds
    proprio: Bounds


def load_statistics(path: Path, *, action_size: int, proprio_size: int) -> DatasetStatistics:
    """Read a statistics file: a flat JSON object with `actions_min`, `actions_max`, `proprio_*`.

    Args:
        path: The file.
        action_size: Number of action dimensions that the model expects.
        proprio_size: Number of joint dimensions that the model expects.

    Raises:
        CheckpointError: If the file is missing, is not such an object, or a list has the wrong
            length, a value that is not finite, or max not above min.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f'cannot read statistics {path}: {error}') from error
    sizes = {'actions': action_size, 'proprio': proprio_size}
    return DatasetStatistics(
        **{name: _read_bounds(content, name, size, path) for name, size in sizes.items()})


def save_statistics(path: Path, statistics: DatasetStatistics) -> None:
    """Write the statistics in the layout that `load_statistics` reads."""
    content = {f'{bounds.name}_{suffix}': values.tolist()
               for bounds in (statistics.actions, statistics.proprio)
               for suffix, values in (('min', bounds.lower), ('max', bounds.upper))}
    path.write_text(json.dumps(content, indent=2) + '\n')


def _read_bounds(content: object, name: str, size: int, path: Path) -> Bounds:
    limits = {}
    for field_name, suffix in (('lower', 'min'), ('upper', 'max')):
        key = f'{name}_{suffix}'
        values = content.get(key) if isinstance(content, dict) else None
        if not isinstance(values, list) or len(values) != size:
            have = f'{len(values)} values' if isinstance(values, list) else repr(values)
            raise CheckpointError(f'{path}: {key} has {have}; expected a list of {size} numbers')
        limits[field_name] = values
    try:
        return Bounds(name=name, **limits)
    except CheckpointError as error:
        raise CheckpointError(f'{path}: {error}') from error
    except (TypeError, ValueError) as error:
        raise CheckpointError(f'{path}: {name} statistics are not numbers: {error}') from error
