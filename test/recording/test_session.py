# SPDX-License-Identifier: Apache-2.0
"""The recording session: laws over any sequence of cues, then the sequences people use."""

from hypothesis import given, settings, strategies as st
import pytest

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.session import Deed, Phase, RESTING, Session
from cosmos_policy_ros.recording.session_plan import SessionPlan

S = 10**9
PLANS = st.builds(
    SessionPlan, num_episodes=st.integers(1, 4), episode_s=st.sampled_from([1.0, 3.0]),
    warm_up_s=st.sampled_from([0.0, 1.0]), reset_s=st.sampled_from([0.0, 2.0]),
    starts_alone=st.booleans(), re_records_bad=st.booleans())
EVENTS = st.lists(st.sampled_from([
    'begin', 'start', 'stop', 'discard', 're_record', 'end', 'tick', 'saved', 'bad', 'failed']),
    max_size=60)


class Disk:
    """Does the deeds of a session and refuses those that make no sense."""

    def __init__(self):
        self.is_open = False
        self.kept, self.aside = 0, 0

    def do(self, deed):
        """Do one deed."""
        if deed is Deed.OPEN:
            assert not self.is_open
            self.is_open = True
        elif deed in (Deed.SAVE, Deed.DISCARD):
            assert self.is_open
            self.is_open = deed is Deed.SAVE
        elif deed is Deed.SET_ASIDE:
            assert self.kept
            self.kept, self.aside = self.kept - 1, self.aside + 1


def apply(session, disk, event, plan, now_ns):
    """Send one event; what is refused must leave the session as it was."""
    before = dict(vars(session))
    try:
        if event == 'begin':
            disk.do(session.begin(plan, now_ns))
        elif event in ('saved', 'bad'):
            deed = session.saved(now_ns, is_bad=event == 'bad')
            disk.is_open, disk.kept = False, disk.kept + 1
            disk.do(deed)
        elif event == 'failed':
            session.failed(now_ns)
            disk.is_open = False
        else:
            disk.do(getattr(session, event)(now_ns))
    except RecordingError as error:
        assert vars(session) == before and str(error)


@settings(max_examples=300, deadline=None)
@given(PLANS, EVENTS)
def test_any_sequence_of_events_keeps_disk_and_session_in_step(plan, events):
    session, disk, now_ns = Session(), Disk(), 0
    for event in events:
        now_ns += S
        apply(session, disk, event, plan, now_ns)
        assert disk.is_open == (session.phase in (Phase.RECORDING, Phase.SAVING))
        assert 0 <= session.num_recorded <= max(session.batch_size, 1)
        if session.batch_size and session.phase not in RESTING:
            assert session.num_recorded < session.batch_size


@settings(max_examples=100, deadline=None)
@given(PLANS, st.lists(st.booleans(), max_size=5))
def test_a_batch_ends_with_as_many_episodes_as_wanted(plan, bad):
    session, disk, now_ns = Session(), Disk(), 0
    disk.do(session.begin(plan, now_ns))
    for _ in range(200):
        if session.phase is Phase.WAITING:
            apply(session, disk, 'start', plan, now_ns)
        elif session.phase is Phase.SAVING:
            apply(session, disk, 'bad' if bad and bad.pop() else 'saved', plan, now_ns)
        now_ns += S
        apply(session, disk, 'tick', plan, now_ns)
    assert session.phase is Phase.DONE and disk.kept == session.num_recorded == plan.num_episodes


def recording(**plan):
    """Return a session that records the first episode of a batch."""
    session = Session()
    session.begin(SessionPlan(**plan), 0)
    assert session.start(0) is Deed.OPEN
    return session


def test_warm_up_episode_and_reset_take_the_time_they_are_given():
    session = Session()
    session.begin(SessionPlan(num_episodes=2, episode_s=3.0, warm_up_s=1.0, reset_s=2.0), 0)
    assert session.start(0) is Deed.NOTHING and session.phase is Phase.WARM_UP
    assert session.tick(S - 1) is Deed.NOTHING
    assert session.tick(S) is Deed.OPEN
    assert session.time_left_s(2 * S) == 2.0
    assert session.tick(4 * S) is Deed.SAVE
    session.saved(5 * S)
    assert session.phase is Phase.RESET and session.time_left_s(6 * S) == 1.0
    session.tick(7 * S)
    assert session.phase is Phase.WAITING and session.num_recorded == 1


def test_an_episode_without_length_ends_only_when_it_is_stopped():
    session = recording()
    assert session.tick(10**6 * S) is Deed.NOTHING and session.time_left_s(0) == 0
    assert session.stop(10**6 * S) is Deed.SAVE


def test_a_single_episode_needs_no_batch_and_ends_idle():
    session = Session()
    assert session.start(0) is Deed.OPEN
    assert session.stop(S) is Deed.SAVE
    session.saved(S)
    assert session.phase is Phase.IDLE and session.batch_size == 0


def test_ending_a_batch_keeps_the_running_episode():
    session = recording(num_episodes=5)
    assert session.end(S) is Deed.SAVE
    session.saved(S)
    assert session.phase is Phase.DONE and session.num_recorded == 1


def test_the_last_episode_of_a_finished_batch_can_be_recorded_again():
    session = recording(num_episodes=1)
    session.stop(S)
    session.saved(S)
    assert session.phase is Phase.DONE
    assert session.re_record(2 * S) is Deed.SET_ASIDE and session.num_recorded == 0
    with pytest.raises(RecordingError, match='no last episode'):
        session.re_record(2 * S)


@pytest.mark.parametrize('ends', ['discard', 'failed'])
def test_a_good_episode_is_not_set_aside_for_an_attempt_that_is_gone(ends):
    session = recording(num_episodes=3)
    session.stop(S)
    session.saved(S)
    session.start(2 * S)
    getattr(session, ends)(3 * S)
    with pytest.raises(RecordingError, match='no last episode'):
        session.re_record(4 * S)
    assert session.num_recorded == 1


def test_an_episode_that_could_not_be_set_aside_still_counts():
    session = recording(num_episodes=2)
    session.stop(S)
    session.saved(S)
    assert session.re_record(2 * S) is Deed.SET_ASIDE
    session.not_set_aside()
    assert session.num_recorded == 1 and session.re_record(3 * S) is Deed.SET_ASIDE


def test_a_bad_episode_is_recorded_again_only_where_the_plan_says_so():
    for re_records_bad, deed, recorded in ((True, Deed.SET_ASIDE, 0), (False, Deed.NOTHING, 1)):
        session = recording(num_episodes=2, re_records_bad=re_records_bad)
        session.stop(S)
        assert session.saved(S, is_bad=True) is deed and session.num_recorded == recorded


def test_a_failure_waits_for_the_next_cue_but_ends_a_batch_that_nobody_cues():
    session = recording(num_episodes=2)
    session.failed(S)
    assert session.phase is Phase.RESET
    session = Session()
    session.begin(SessionPlan(num_episodes=2, episode_s=1.0, starts_alone=True), 0)
    session.failed(S)
    assert session.phase is Phase.DONE


@pytest.mark.parametrize(('values', 'word'), [
    ({'num_episodes': 0}, 'num_episodes is 0'), ({'episode_s': -1.0}, 'episode_s is -1'),
    ({'reset_s': float('nan')}, 'reset_s is nan'), ({'warm_up_s': 1e9}, 'warm_up_s'),
    ({'starts_alone': True}, 'need an end')])
def test_a_plan_out_of_range_is_refused_with_what_is_allowed(values, word):
    with pytest.raises(RecordingError, match=word):
        SessionPlan(**values)


def test_what_does_not_fit_the_phase_is_refused_naming_it():
    with pytest.raises(RecordingError, match='the recorder is idle'):
        Session().stop(0)
    with pytest.raises(RecordingError, match='the recorder is recording'):
        recording().begin(SessionPlan(), 0)
