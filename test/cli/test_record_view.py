# SPDX-License-Identifier: Apache-2.0
"""What the terminal shows of a recorder, and which keys it offers."""

from types import SimpleNamespace

import pytest
from rich.console import Console, Group

from cosmos_policy_ros.cli.record_view import HINT, KEYS, RecordView, TITLES
from cosmos_policy_ros.recording.session import Phase


def status(**values):
    """Return a status of a batch that records its second episode of three."""
    stream = SimpleNamespace(topic='/cam/image', messages=120, rate_hz=29.96, max_gap_s=0.05,
                             dropped=2, latency_s=0.012)
    return SimpleNamespace(**{
        'state': 'recording', 'batch_recorded': 1, 'batch_size': 3, 'time_left_s': 6.0,
        'streams': [stream], 'bytes': 2 * 10**6, 'byte_rate': 5e5, 'disk_free_bytes': 9e9,
        'camera_skew_s': 0.004, 'lost': 0, 'last_verdict': 'usable',
        'last_reasons': ['a', 'b', 'c', 'd', 'e'], 'problem': '',
        'episode': '/data/episode_000001', **values})


def shown(**values):
    """Return the text on a wide terminal."""
    console = Console(width=200)
    with console.capture() as capture:
        console.print(Group(*RecordView(10.0).render(status(**values), has_keys=False)))
    return capture.get()


def test_time_left_rates_disk_and_the_last_verdict_are_shown():
    text = shown()
    for word in ('episode 2 of 3', '6 s left', '/cam/image', '30.0', '0.50 MB/s', '9.0 GB free',
                 '4 ms', 'last verdict: usable', 'a; b; c; and 2 more'):
        assert word in text, text


def test_a_problem_is_shown_and_a_finished_batch_counts_no_further_episode():
    assert 'the disk is too slow' in shown(problem='the disk is too slow')
    assert 'episode 3 of 3' in shown(state='done', batch_recorded=3)


@pytest.mark.parametrize('phase', Phase, ids=lambda phase: phase.value)
def test_every_state_has_a_title(phase):
    assert TITLES[phase.value] in shown(state=phase.value)


def test_every_key_is_in_the_hint():
    for key in KEYS:
        assert f'[{"space" if key == " " else key}]' in HINT


def test_the_hint_survives_the_markup_of_the_terminal():
    console = Console(width=200)
    with console.capture() as capture:
        console.print(Group(*RecordView(0.0).render(status(), has_keys=True)))
    assert HINT in capture.get()


def test_the_summary_says_what_was_recorded():
    assert RecordView(0.0).summary(status()).plain == (
        '1 of 3 episodes recorded; the last: /data/episode_000001 '
        'last verdict: usable (a; b; c; and 2 more)')
