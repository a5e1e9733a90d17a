# SPDX-License-Identifier: Apache-2.0
"""Every phase has something to say, with the count of the batch and the last verdict."""

from cosmos_policy_ros.recording.cues import cue
from cosmos_policy_ros.recording.health import Judgement, Verdict
from cosmos_policy_ros.recording.session import Phase, Session
from cosmos_policy_ros.recording.session_plan import SessionPlan


def test_a_batch_is_counted_and_the_last_verdict_is_said():
    session = Session()
    assert cue(session, None) == 'ready'
    session.begin(SessionPlan(num_episodes=2), 0)
    assert cue(session, None) == 'waiting for the start of episode 1 of 2'
    session.start(0)
    assert cue(session, None) == 'recording 1 of 2'
    session.stop(0)
    session.saved(0)
    assert cue(session, Judgement(verdict=Verdict.BAD)) == (
        'put the scene back, the last one is bad')


def test_every_phase_has_a_cue():
    session = Session()
    for session.phase in Phase:
        assert cue(session, None)
