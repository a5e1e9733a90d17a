# SPDX-License-Identifier: Apache-2.0
"""Statistics of features as LeRobot data sets carry them, of one episode and of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_QUANTILES = {'q01': 0.01, 'q10': 0.10, 'q50': 0.50, 'q90': 0.90, 'q99': 0.99}
_LONG_SIDE_PX = 150

Stats = dict[str, Any]


def vector_stats(rows: np.ndarray) -> Stats:
    """Return the statistics of the columns of an array of shape (T, D), as lists."""
    rows = np.asarray(rows, np.float64)
    quantiles = np.quantile(rows, list(_QUANTILES.values()), axis=0)
    return {'min': rows.min(0).tolist(), 'max': rows.max(0).tolist(),
            'mean': rows.mean(0).tolist(), 'std': rows.std(0).tolist(), 'count': [len(rows)],
            **{name: values.tolist() for name, values in zip(_QUANTILES, quantiles)}}


class ImageStats:
    """Statistics of the channels of images, 0 to 1, over a sample of them."""

    def __init__(self) -> None:
        """Begin without images."""
        self._histogram = np.zeros((3, 256), np.int64)
        self._images = 0

    def add(self, pixels: np.ndarray) -> None:
        """Take an image of shape (H, W, 3), uint8, thinned to what a mean needs."""
        stride = max(1, -(-max(pixels.shape[:2]) // _LONG_SIDE_PX))
        for channel in range(3):
            self._histogram[channel] += np.bincount(
                pixels[::stride, ::stride, channel].ravel(), minlength=256)
        self._images += 1

    def result(self) -> Stats:
        """Return the statistics, each of shape (3, 1, 1)."""
        levels = np.arange(256) / 255.0
        share = self._histogram / self._histogram.sum(1, keepdims=True)
        mean = share @ levels
        std = np.sqrt(np.maximum(share @ levels**2 - mean**2, 0.0))
        seen = self._histogram > 0
        values = {'min': levels[seen.argmax(1)], 'max': levels[255 - seen[:, ::-1].argmax(1)],
                  'mean': mean, 'std': std}
        values |= {name: levels[(np.cumsum(share, 1) < q).sum(1).clip(0, 255)]
                   for name, q in _QUANTILES.items()}
        return {**{name: value.reshape(3, 1, 1).tolist() for name, value in values.items()},
                'count': [self._images]}


def aggregate(episodes: Sequence[Mapping[str, Stats]]) -> dict[str, Stats]:
    """Return the statistics of all episodes from those of each.

    Quantiles are the means of the episodes' quantiles weighted by length, which is what LeRobot
    does too; the others are exact.
    """
    return {feature: _aggregate([episode[feature] for episode in episodes])
            for feature in episodes[0]}


def _aggregate(parts: Sequence[Stats]) -> Stats:
    counts = np.array([part['count'][0] for part in parts], np.float64)
    weights = counts / counts.sum()

    def mean(values: Sequence[Any]) -> np.ndarray:
        return np.tensordot(weights, np.array(values, np.float64), axes=1)

    centre = mean([part['mean'] for part in parts])
    variance = mean([np.square(part['std']) + np.square(np.subtract(part['mean'], centre))
                     for part in parts])
    return {'min': np.min([part['min'] for part in parts], 0).tolist(),
            'max': np.max([part['max'] for part in parts], 0).tolist(),
            'mean': centre.tolist(), 'std': np.sqrt(variance).tolist(),
            'count': [int(counts.sum())],
            **{name: mean([part[name] for part in parts]).tolist() for name in _QUANTILES}}
