# SPDX-License-Identifier: Apache-2.0
"""Recorders side by side: only what ours loses is a failure."""

from rich.console import Console

from cosmos_policy_ros.cli.benchmarks.recording_report import Recorded, RecordingReport


def recorded(lost):
    """Return what a recorder had that lost messages of one camera."""
    return Recorded(lost={'cam_high': lost, 'follower_left': 0}, received=100, duration_s=1.0,
                    cores=0.5, memory_mb=100.0, own_memory_mb=50.0, written_mb_s=12.3)


def test_only_what_ours_loses_is_a_failure():
    assert RecordingReport(recorders={'ours': recorded(0), 'other': recorded(7)}).failures == []
    report = RecordingReport(recorders={'ours': recorded(3), 'other': recorded(0)})
    assert report.failures == ['cam_high']
    assert report.as_json()['ours']['lost'] == {'cam_high': 3, 'follower_left': 0}


def test_a_stream_that_never_came_is_a_failure():
    assert RecordingReport(recorders={'ours': recorded(-1)}).failures == ['cam_high']


def test_the_table_names_every_recorder_and_stream():
    console = Console(width=120, record=True)
    console.print(RecordingReport(recorders={'ours': recorded(0), 'other': recorded(7)}).table())
    text = console.export_text()
    assert all(word in text for word in ('ours', 'other', 'cam_high', 'follower_left', '12.3'))
