# SPDX-License-Identifier: Apache-2.0
"""What the recorder says aloud when something changes, short enough to be spoken."""

from __future__ import annotations

from cosmos_policy_ros.recording.health import Judgement
from cosmos_policy_ros.recording.session import Phase, Session


def cue(session: Session, judgement: Judgement | None) -> str:
    """Return what to say on entering the phase that a session is in.

    Args:
        session: The session.
        judgement: On the last episode on disk; None before the first.
    """
    of_batch = f' {session.num_recorded + 1} of {session.batch_size}' if session.batch_size else ''
    last = '' if judgement is None else f', the last one is {judgement.verdict.value}'
    return {
        Phase.IDLE: f'ready{last}',
        Phase.WAITING: f'waiting for the start of episode{of_batch}',
        Phase.WARM_UP: 'get ready',
        Phase.RECORDING: f'recording{of_batch}',
        Phase.SAVING: 'stop',
        Phase.RESET: f'put the scene back{last}',
        Phase.DONE: f'done, {session.num_recorded} recorded{last}',
    }[session.phase]
