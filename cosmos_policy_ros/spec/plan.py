# SPDX-License-Identifier: Apache-2.0
"""What planning did: the candidates it compared, what they were worth, and why it ended.

Legend: K chunk size, A action dimensions, D search depths that were valued, M futures of a
candidate, V values of a future.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cosmos_policy_ros.errors import PredictionError
from cosmos_policy_ros.spec.arrays import locked_array
from cosmos_policy_ros.spec.stage_timing import StageTiming

COMPLETE = 'complete'
DEADLINE = 'deadline'
NOT_MEASURED = 'not measured'
WORKER_LOST = 'worker lost'
CANDIDATES_AGREE = 'candidates agree'
NOT_NEEDED = 'not needed'
_CUT_SHORT = (DEADLINE, NOT_MEASURED, WORKER_LOST)
REASONS = (COMPLETE, CANDIDATES_AGREE, NOT_NEEDED, *_CUT_SHORT)
"""Why a plan ended: all candidates were valued; they agree, so that none had to be; the caller's
uncertainty was below its threshold; the deadline came; there was a deadline, but how long a pass
takes had not been measured yet; or a worker was lost with its candidates."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One action chunk that planning considered.

    Attributes:
        seed: Seed of its noise.
        chunk: Joint targets, arms in [rad], grippers 0 closed to 1 open. Shape (K, A), float64.
        member_values: Values in [0, 1] of the ensemble behind `value`. Shape (D, M, V), float64;
            (0, 0, 0) if the candidate was not valued.
        value: Their aggregate in [0, 1]; None if the candidate was not valued.
        future_proprio: Joint vector that was imagined for the end of the chunk, in its units; None
            if nothing was imagined. Shape (A,), float64.

    Raises:
        PredictionError: If a number is not finite, a value is outside [0, 1], or there are member
            values without an aggregate or the other way round.
    """

    seed: int
    chunk: np.ndarray
    member_values: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 0)))
    value: float | None = None
    future_proprio: np.ndarray | None = None

    def __post_init__(self) -> None:
        ranks = {'chunk': 2, 'member_values': 3}
        if self.future_proprio is not None:
            ranks['future_proprio'] = 1
        for name, rank in ranks.items():
            object.__setattr__(self, name, locked_array(
                f'{name} of candidate {self.seed}', getattr(self, name), dtype=np.float64,
                shape=(None,) * rank, error=PredictionError))
        if self.is_complete != (self.member_values.size > 0):
            raise PredictionError(
                f'candidate {self.seed} has {self.member_values.size} member values and the '
                f'aggregate {self.value}; neither goes without the other')
        values = np.append(self.member_values, self.value if self.is_complete else 0.0)
        if not ((values >= 0.0) & (values <= 1.0)).all():
            raise PredictionError(
                f'candidate {self.seed} has values from {values.min()} to {values.max()}; '
                'allowed is 0 to 1')

    @property
    def is_complete(self) -> bool:
        """Whether the candidate was valued, by all members of its ensemble."""
        return self.value is not None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a query in planning mode considered, and why it answered as it did.

    Attributes:
        candidates: The candidates that were sampled, by ascending seed.
        winner_index: Which of them was chosen.
        num_requested: Candidates asked for.
        value_kind: What valued them: `joint`, `v_next`, `v_full` or `q`.
        aggregation: How member values became one.
        search_depth: Chunks that were looked ahead.
        future_steps: Denoising steps of each future of a candidate, M of them; empty if none was
            sampled on its own.
        value_steps: Denoising steps of each value of a future, V of them; empty if none was
            sampled on its own.
        deadline_s: Time allowed for the query in [s]; 0 for any.
        reason: Why planning ended, one of `REASONS`.
        timings: Wall time of the stages before the choice.

    Raises:
        PredictionError: If there is no candidate, two have the same seed, the winner is none of
            them, or the reason is unknown.
    """

    candidates: tuple[Candidate, ...]
    winner_index: int
    num_requested: int
    value_kind: str
    aggregation: str
    search_depth: int
    future_steps: tuple[int, ...] = ()
    value_steps: tuple[int, ...] = ()
    deadline_s: float = 0.0
    reason: str
    timings: tuple[StageTiming, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.winner_index < len(self.candidates) <= self.num_requested:
            raise PredictionError(
                f'plan of {len(self.candidates)} candidates, {self.num_requested} requested, '
                f'chose number {self.winner_index}; it must choose one of 1 to the requested')
        seeds = [candidate.seed for candidate in self.candidates]
        if seeds != sorted(set(seeds)):
            raise PredictionError(f'seeds of a plan are {seeds}; they must ascend')
        if self.reason not in REASONS:
            raise PredictionError(
                f'plan ended for the reason {self.reason!r}; known: {", ".join(REASONS)}')

    @property
    def winner(self) -> Candidate:
        """The chosen candidate."""
        return self.candidates[self.winner_index]

    @property
    def num_counted(self) -> int:
        """Candidates that were valued, and so took part in the choice."""
        return sum(candidate.is_complete for candidate in self.candidates)

    @property
    def num_values_counted(self) -> int:
        """Single values behind the choice."""
        return sum(candidate.member_values.size for candidate in self.candidates)

    @property
    def was_cut_short(self) -> bool:
        """Whether candidates are missing, or not valued, that should have been."""
        return self.reason in _CUT_SHORT

    @property
    def value_spread(self) -> float | None:
        """Difference of the best and the worst candidate; None with fewer than two valued."""
        values = [candidate.value for candidate in self.candidates if candidate.is_complete]
        return max(values) - min(values) if len(values) > 1 else None

    @property
    def chunk_spread(self) -> float | None:
        """How far the chunks are from their mean; None with fewer than two.

        Root mean square over candidates, steps and joints in [rad], of grippers in shares of
        their travel.
        """
        if len(self.candidates) < 2:
            return None
        chunks = np.stack([candidate.chunk for candidate in self.candidates])
        return float(np.sqrt(chunks.var(axis=0).mean()))

    @property
    def imagined_share(self) -> float | None:
        """How far imagined joints differ as the ends of the chunks do; None if they are not known.

        Slope of the line through both, each without its mean over the candidates: 1 if what is
        imagined ends where its chunk ends, 0 if it takes no notice of the chunk.
        """
        imagined = [candidate for candidate in self.candidates
                    if candidate.future_proprio is not None]
        if len(imagined) < 2:
            return None
        ends, joints = (np.stack(vectors) for vectors in zip(*(
            (candidate.chunk[-1], candidate.future_proprio) for candidate in imagined)))
        apart = ends - ends.mean(axis=0)
        square = float((apart**2).sum())
        return float((apart * joints).sum() / square) if square else None


def best_candidate(candidates: tuple[Candidate, ...]) -> int:
    """Return the index of the highest value, of the earliest among equals; 0 if none is valued."""
    return max(range(len(candidates)), key=lambda index: (
        -1.0 if candidates[index].value is None else candidates[index].value, -index))
