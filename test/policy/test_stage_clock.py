# SPDX-License-Identifier: Apache-2.0
"""Stages are measured on the clock that was given."""

import pytest
import torch

from cosmos_policy_ros.policy.stage_clock import StageClock


class FakeClock:
    """Says what it is told."""

    def __init__(self, now_ns=0):
        self.now_ns = now_ns

    def __call__(self):
        return self.now_ns


def test_a_stage_that_runs_twice_is_one_line_with_the_sum():
    clock = FakeClock(now_ns=5)
    stages = StageClock(clock, torch.device('cpu'))
    for name, duration_s in (('first', 1.0), ('second', 0.5), ('first', 0.25)):
        with stages.stage(name):
            clock.now_ns += int(duration_s * 1e9)
        assert stages.last_s == pytest.approx(duration_s)
        clock.now_ns += 1_000_000_000
    first, second = stages.timings
    assert (first.name, second.name) == ('first', 'second')
    assert (first.duration_s, second.duration_s) == pytest.approx((1.25, 0.5))
    assert stages.elapsed_s == pytest.approx(4.75)
