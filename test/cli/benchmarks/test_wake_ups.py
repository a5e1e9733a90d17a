# SPDX-License-Identifier: Apache-2.0
"""The process that only sleeps."""

import time

import pytest

from cosmos_policy_ros.cli.benchmarks.wake_ups import watched_wake_ups


def test_wake_ups_are_counted_until_the_end_and_told_then():
    with watched_wake_ups(5.0) as deviations_ms:
        time.sleep(0.5)
        assert deviations_ms == []
    assert len(deviations_ms) > 5
    assert min(deviations_ms) >= 0


def test_the_process_ends_when_the_measurement_fails():
    with pytest.raises(RuntimeError, match='measured nothing'):
        with watched_wake_ups(5.0):
            raise RuntimeError('measured nothing')
