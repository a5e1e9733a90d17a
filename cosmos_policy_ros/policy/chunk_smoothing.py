# SPDX-License-Identifier: Apache-2.0
"""Smooth courses for chunks of networks that predict every action by itself.

A small network finds each number of a chunk with an error of its own, so that neighbouring actions
tremble against one another. What is faster than the arms ever move on purpose is taken out.
"""

from __future__ import annotations

from functools import cache
import math

import numpy as np

_ORDER = 3


@cache
def smoothing_matrix(num_steps: int, period_s: float, cutoff_hz: float) -> np.ndarray:
    """Return the matrix that smooths a course, read-only. Shape (num_steps, num_steps).

    It finds the course x that is closest to the given y: the least sum of (x - y)^2 and a weight
    times the squared third differences of x (Whittaker, "On a new method of graduation", 1923).
    Courses with constant acceleration stay as they are, ends need no continuation, and nothing is
    delayed. A vibration at the cut-off is halved.

    Args:
        num_steps: Steps of a course.
        period_s: Their spacing in [s].
        cutoff_hz: The cut-off in [Hz], below half of the rate.
    """
    differences = np.diff(np.eye(num_steps), n=_ORDER, axis=0)
    weight = (2 * math.sin(math.pi * cutoff_hz * period_s)) ** (-2 * _ORDER)
    matrix = np.linalg.inv(np.eye(num_steps) + weight * differences.T @ differences)
    matrix.setflags(write=False)
    return matrix


def smooth_chunks(chunks: np.ndarray, *, period_s: float, cutoff_hz: float) -> np.ndarray:
    """Return chunks without what is faster than a cut-off; shapes are (..., K, A)."""
    return smoothing_matrix(chunks.shape[-2], period_s, cutoff_hz) @ chunks
