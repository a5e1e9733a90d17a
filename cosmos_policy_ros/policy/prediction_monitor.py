# SPDX-License-Identifier: Apache-2.0
"""What was predicted against what arrived: the world model as an instrument.

A prediction speaks about one moment, the end of its chunk. The first observation from then on is
compared with it, as far as it is not too late.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock

import numpy as np

from cosmos_policy_ros.spec.prediction import Prediction

MAX_WAITING = 64
NS_PER_S = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class SeenState:
    """What an observation holds of what a prediction speaks about.

    Attributes:
        proprio: Measured joint vector. Shape (A,).
        images: Camera to image as the model sees it, of the imagined images' shape, uint8.
        stamp_ns: Time of the observation in [ns].
    """

    proprio: np.ndarray
    images: Mapping[str, np.ndarray]
    stamp_ns: int


@dataclass(frozen=True, kw_only=True)
class PredictionComparison:
    """How far one prediction was from what arrived.

    Attributes:
        query_index: Which query predicted it.
        due_ns: Time that the future was for in [ns].
        lateness_s: How much later the compared observation was taken in [s].
        image_error: Camera to mean absolute pixel difference, 0 to 1.
        image_change: The same for the image of the observation behind the prediction: what
            predicting no change would have been wrong by.
        proprio_error: Predicted minus measured joint vector. Shape (A,).
    """

    query_index: int
    due_ns: int
    lateness_s: float
    image_error: Mapping[str, float]
    image_change: Mapping[str, float]
    proprio_error: np.ndarray

    def proprio_rms(self, is_arm_joint: np.ndarray) -> float:
        """Root mean square over the joints that `is_arm_joint` (A,) marks, in [rad]."""
        return float(np.sqrt(np.mean(self.proprio_error[is_arm_joint] ** 2)))


@dataclass(frozen=True, kw_only=True)
class _Waiting:
    query_index: int
    prediction: Prediction
    seen: SeenState


class PredictionMonitor:
    """Keeps predictions until their time has come. Thread-safe."""

    def __init__(self, *, max_lateness_s: float) -> None:
        """Create a monitor that compares observations up to `max_lateness_s` late."""
        self._max_lateness_ns = int(max_lateness_s * NS_PER_S)
        self._waiting: deque[_Waiting] = deque(maxlen=MAX_WAITING)
        self._lock = Lock()

    def clear(self) -> None:
        """Forget every prediction: what happens next is not what they were about."""
        with self._lock:
            self._waiting.clear()

    def expect(self, query_index: int, prediction: Prediction, seen: SeenState) -> None:
        """Remember a prediction and what was seen when it was made."""
        with self._lock:
            self._waiting.append(
                _Waiting(query_index=query_index, prediction=prediction, seen=seen))

    def is_due(self, now_ns: int) -> bool:
        """Whether the time of a prediction has come."""
        with self._lock:
            return self._is_due(now_ns)

    def compare(self, seen: SeenState) -> list[PredictionComparison]:
        """Compare an observation with every prediction whose time it is; they are then done."""
        due = []
        with self._lock:
            while self._is_due(seen.stamp_ns):
                due.append(self._waiting.popleft())
        late_ns = [(waiting, seen.stamp_ns - waiting.prediction.chunk.end_ns) for waiting in due]
        return [_compare(waiting, seen, lateness_ns) for waiting, lateness_ns in late_ns
                if lateness_ns <= self._max_lateness_ns]

    def _is_due(self, now_ns: int) -> bool:
        return bool(self._waiting) and self._waiting[0].prediction.chunk.end_ns <= now_ns


def _compare(waiting: _Waiting, seen: SeenState, lateness_ns: int) -> PredictionComparison:
    imagined = waiting.prediction.future_images
    cameras = [camera for camera in imagined if camera in seen.images]
    return PredictionComparison(
        query_index=waiting.query_index, due_ns=waiting.prediction.chunk.end_ns,
        lateness_s=lateness_ns / NS_PER_S,
        image_error={camera: _difference(imagined[camera], seen.images[camera])
                     for camera in cameras},
        image_change={camera: _difference(waiting.seen.images[camera], seen.images[camera])
                      for camera in cameras},
        proprio_error=waiting.prediction.future_proprio - seen.proprio)


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean() / 255)
