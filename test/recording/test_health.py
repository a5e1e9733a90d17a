# SPDX-License-Identifier: Apache-2.0
"""Verdicts: the worst figure decides, and every figure that is not good is named."""

from dataclasses import replace
import json
import math

from hypothesis import given, strategies as st
import pytest

from cosmos_policy_ros.errors import ConfigurationError, RecordingError
from cosmos_policy_ros.recording.health import EpisodeHealth, HealthLimits, judge, Verdict
from cosmos_policy_ros.recording.health_report import HEALTH_FILE, load_judgement, save_health
from cosmos_policy_ros.recording.stream_meter import StreamHealth, StreamKind

CAMERA, ARM = '/cam/image', '/arm/joint_states'
IMAGES = StreamHealth(messages=300, rate_hz=30.0, max_gap_s=0.05, kind=StreamKind.IMAGE)
JOINTS = StreamHealth(messages=1000, rate_hz=100.0, max_gap_s=0.02, kind=StreamKind.JOINTS)
GOOD = EpisodeHealth(duration_s=10.0, bytes=10**6, streams={CAMERA: IMAGES, ARM: JOINTS},
                     required=(CAMERA, ARM))
LIMITS = HealthLimits()


def with_images(**values):
    """Return a good episode but for its images."""
    return replace(GOOD, streams={**GOOD.streams, CAMERA: replace(IMAGES, **values)})


def test_an_episode_within_all_limits_is_good_without_a_reason():
    judgement = judge(GOOD, LIMITS)
    assert judgement.verdict is Verdict.GOOD and judgement.reasons == ()


@pytest.mark.parametrize(('health', 'verdict', 'words'), [
    (with_images(max_gap_s=0.4), 'usable', [CAMERA, 'longest gap 0.4 s', 'usable to 0.5']),
    (with_images(max_gap_s=2.0), 'bad', [CAMERA, '2 s']),
    (with_images(rate_hz=24.0), 'usable', ['24.0 of 30 Hz', '0.2']),
    (with_images(dropped=100), 'bad', ['dropped', '0.25']),
    (with_images(latency_s=0.2), 'usable', ['latency 0.2 s']),
    (with_images(latency_s=-0.8), 'bad', ["ahead of the recorder's clock by 0.8 s"]),
    (with_images(backward=1), 'bad', ['backwards']),
    (with_images(messages=0), 'bad', ['no message']),
    (replace(GOOD, required=('/absent',)), 'bad', ['/absent: no message']),
    (replace(GOOD, camera_skew_s=0.1), 'usable', ['between cameras']),
    (replace(GOOD, lost=1), 'usable', ['lost']),
    (replace(GOOD, lost=100), 'bad', ['lost']),
    (replace(GOOD, problems=('the type changed',)), 'bad', ['the type changed']),
])
def test_every_figure_that_is_not_good_is_named_with_its_limits(health, verdict, words):
    judgement = judge(health, LIMITS)
    assert judgement.verdict.value == verdict
    assert all(word in judgement.reasons[0] for word in words), judgement.reasons


def test_streams_of_events_are_not_judged_by_their_rate():
    events = replace(IMAGES, kind=StreamKind.OTHER, rate_hz=0.1, max_gap_s=9.0)
    assert judge(replace(GOOD, streams={**GOOD.streams, '/plan': events}),
                 LIMITS).verdict is Verdict.GOOD


@given(st.floats(0, 5), st.floats(0, 5), st.integers(0, 400), st.floats(0, 60))
def test_a_worse_figure_never_makes_a_better_verdict(gap_s, more_s, dropped, rate_hz):
    rank = [Verdict.GOOD, Verdict.USABLE, Verdict.BAD].index
    episode = with_images(max_gap_s=gap_s, dropped=dropped, rate_hz=rate_hz)
    worse = with_images(max_gap_s=gap_s + more_s, dropped=dropped + 1, rate_hz=rate_hz / 2)
    assert rank(judge(worse, LIMITS).verdict) >= rank(judge(episode, LIMITS).verdict)


def test_the_worst_reason_comes_first():
    health = replace(with_images(max_gap_s=0.3), lost=100)
    assert 'lost' in judge(health, LIMITS).reasons[0]


@pytest.mark.parametrize('values', [
    {'joint_gap_s': (0.3, 0.1)}, {'dropped': (-0.1, 0.1)}, {'latency_s': (0.1, math.nan)},
    {'lost': (0.1,)}, {'image_rate_hz': 0.0}])
def test_limits_that_contradict_themselves_are_refused(values):
    with pytest.raises(ConfigurationError, match=next(iter(values))):
        HealthLimits(**values)


def test_the_report_gives_back_the_verdict_and_holds_every_figure(tmp_path):
    health = with_images(max_gap_s=0.4)
    judgement = judge(health, LIMITS)
    save_health(tmp_path, health, LIMITS, judgement)
    assert load_judgement(tmp_path) == judgement
    content = json.loads((tmp_path / HEALTH_FILE).read_text())
    assert content['streams'][CAMERA]['max_gap_s'] == 0.4
    assert content['limits']['image_gap_s'] == [0.2, 0.5]


@pytest.mark.parametrize('text', ['', '[]', '{"verdict": "great", "reasons": []}'])
def test_a_report_without_a_verdict_is_refused_naming_the_file(tmp_path, text):
    (tmp_path / HEALTH_FILE).write_text(text)
    with pytest.raises(RecordingError, match=HEALTH_FILE):
        load_judgement(tmp_path)
