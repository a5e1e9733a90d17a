# SPDX-License-Identifier: Apache-2.0
"""When an episode begins and ends: one state machine for single episodes and batches.

    idle ─ begin ─► waiting ─ cue ─► warm_up ─► recording ─► saving ─► reset ─► waiting ...
                                                                  └──► done, after the last

The machine touches neither disk nor topics: what has to happen there it returns as a `Deed`, and
its owner tells it the result with `saved` or `failed`. Time is an argument.
"""

from __future__ import annotations

from enum import Enum

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.session_plan import SessionPlan

_NS_PER_S = 10**9


class Phase(str, Enum):
    """What a session is doing."""

    IDLE = 'idle'
    WAITING = 'waiting'
    WARM_UP = 'warm_up'
    RECORDING = 'recording'
    SAVING = 'saving'
    RESET = 'reset'
    DONE = 'done'


class Deed(str, Enum):
    """What the owner of a session has to do now."""

    NOTHING = 'nothing'
    OPEN = 'open'
    """Begin an episode on disk; call `failed` if that does not work."""
    SAVE = 'save'
    """Finish the running episode; then call `saved` or `failed`."""
    DISCARD = 'discard'
    """Delete the running episode."""
    SET_ASIDE = 'set_aside'
    """Put the last episode on disk aside: it is about to be recorded again."""


RESTING = (Phase.IDLE, Phase.DONE)
BETWEEN_EPISODES = (Phase.WAITING, Phase.RESET)


class Session:
    """Decides what to do with the next cue, stop or tick. Its owner holds the lock.

    Every method that refuses raises RecordingError and changes nothing.
    """

    def __init__(self) -> None:
        """Begin idle, without a plan."""
        self.phase = Phase.IDLE
        self.plan = SessionPlan()
        self.num_recorded = 0
        self._is_batch = self._is_ending = self._has_last = False
        self._due_ns: int | None = None

    @property
    def batch_size(self) -> int:
        """Episodes of the batch; 0 outside one."""
        return self.plan.num_episodes if self._is_batch else 0

    def time_left_s(self, now_ns: int) -> float:
        """Time until the phase ends by itself in [s]; 0 if it does not."""
        return 0.0 if self._due_ns is None else max(0, self._due_ns - now_ns) / _NS_PER_S

    def begin(self, plan: SessionPlan, now_ns: int) -> Deed:
        """Begin a batch."""
        self._require('a batch can begin', *RESTING)
        self._is_batch, self._is_ending = True, False
        self.plan, self.num_recorded, self._has_last = plan, 0, False
        return self._get_ready(now_ns)

    def start(self, now_ns: int, plan: SessionPlan = SessionPlan()) -> Deed:
        """Take the start cue: of the next episode of a batch, or of a single one.

        Args:
            now_ns: The present in [ns].
            plan: Of the single episode; a batch has its own.
        """
        self._require('an episode can start', *RESTING, *BETWEEN_EPISODES)
        if self.phase in RESTING:
            self._is_batch, self._is_ending = False, False
            self.plan, self.num_recorded = plan, 0
        return self._warm_up(now_ns)

    def stop(self, now_ns: int) -> Deed:
        """End the running episode and keep it; during the warm-up, call it off."""
        self._require('there is something to stop', Phase.WARM_UP, Phase.RECORDING)
        if self.phase is Phase.WARM_UP:
            self._leave_episode(now_ns)
            return Deed.NOTHING
        self._enter(Phase.SAVING)
        return Deed.SAVE

    def discard(self, now_ns: int) -> Deed:
        """End the running episode and delete it; a batch records it again."""
        self._require('there is something to discard', Phase.WARM_UP, Phase.RECORDING)
        was_recording = self.phase is Phase.RECORDING
        # Whoever then wants the last one recorded again means the one that is gone.
        self._has_last = self._has_last and not was_recording
        self._leave_episode(now_ns)
        return Deed.DISCARD if was_recording else Deed.NOTHING

    def re_record(self, now_ns: int) -> Deed:
        """Replace the running episode, or the last one on disk, by another attempt."""
        if self.phase in (Phase.WARM_UP, Phase.RECORDING):
            return self.discard(now_ns)
        self._require('an episode can be recorded again', *RESTING, *BETWEEN_EPISODES)
        if not self._has_last:
            raise RecordingError('there is no last episode that could be recorded again')
        self._has_last = False
        self.num_recorded -= 1
        self._enter(Phase.RESET, now_ns, self.plan.reset_s)
        return Deed.SET_ASIDE

    def not_set_aside(self) -> None:
        """Take note that the last episode is still where it was."""
        self._has_last = True
        self.num_recorded += 1

    def end(self, now_ns: int) -> Deed:
        """End the batch; the running episode is kept."""
        if self.phase in RESTING:
            raise RecordingError('no batch is running')
        self._is_ending = True
        if self.phase is Phase.RECORDING:
            return self.stop(now_ns)
        if self.phase is not Phase.SAVING:
            self._enter(Phase.DONE if self._is_batch else Phase.IDLE)
        return Deed.NOTHING

    def tick(self, now_ns: int) -> Deed:
        """Let time pass; call it often."""
        if self._due_ns is None or now_ns < self._due_ns:
            return Deed.NOTHING
        if self.phase is Phase.WARM_UP:
            return self._record(now_ns)
        if self.phase is Phase.RECORDING:
            return self.stop(now_ns)
        return self._get_ready(now_ns)

    def saved(self, now_ns: int, *, is_bad: bool = False) -> Deed:
        """Take note that the episode is on disk.

        Args:
            now_ns: The present in [ns].
            is_bad: Whether its health is bad.
        """
        self._require('an episode can have been saved', Phase.SAVING)
        self.num_recorded += 1
        self._has_last = True
        if is_bad and self._is_batch and self.plan.re_records_bad and not self._is_ending:
            self._enter(Phase.RESET, now_ns, self.plan.reset_s)
            return self.re_record(now_ns)
        self._leave_episode(now_ns)
        return Deed.NOTHING

    def failed(self, now_ns: int) -> None:
        """Take note that an episode could not be opened, written or finished.

        A batch waits for the next cue, unless nobody would give one: then it ends.
        """
        self._require('an episode can have failed', Phase.RECORDING, Phase.SAVING)
        self._has_last = False
        if self.plan.starts_alone:
            self._is_ending = True
        self._leave_episode(now_ns)

    def _leave_episode(self, now_ns: int) -> None:
        if not self._is_batch:
            self._enter(Phase.IDLE)
        elif self._is_ending or self.num_recorded >= self.plan.num_episodes:
            self._enter(Phase.DONE)
        else:
            self._enter(Phase.RESET, now_ns, self.plan.reset_s)

    def _get_ready(self, now_ns: int) -> Deed:
        if self.plan.starts_alone:
            return self._warm_up(now_ns)
        self._enter(Phase.WAITING)
        return Deed.NOTHING

    def _warm_up(self, now_ns: int) -> Deed:
        if not self.plan.warm_up_s:
            return self._record(now_ns)
        self._enter(Phase.WARM_UP, now_ns, self.plan.warm_up_s)
        return Deed.NOTHING

    def _record(self, now_ns: int) -> Deed:
        self._enter(Phase.RECORDING, now_ns, self.plan.episode_s or None)
        return Deed.OPEN

    def _enter(self, phase: Phase, now_ns: int = 0, duration_s: float | None = None) -> None:
        self.phase = phase
        self._due_ns = None if duration_s is None else now_ns + round(duration_s * _NS_PER_S)

    def _require(self, what: str, *phases: Phase) -> None:
        if self.phase not in phases:
            raise RecordingError(
                f'{what} only while {" or ".join(phase.value for phase in phases)}; '
                f'the recorder is {self.phase.value}')
