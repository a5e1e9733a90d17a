# SPDX-License-Identifier: Apache-2.0
"""How often calls are repeated, and what is counted."""

import pytest
import torch

from cosmos_policy_ros.cli.benchmarks.stopwatch import MAX_S, Stopwatch


class Work:
    """Takes some time by its own clock, the first call twice as long."""

    def __init__(self, duration_s):
        self.duration_s = duration_s
        self.now_s = 0.0
        self.calls = 0

    def __call__(self):
        self.calls += 1
        self.now_s += self.duration_s * (2 if self.calls == 1 else 1)


@pytest.mark.parametrize('duration_s, samples', [(0.5, 4), (MAX_S / 2, 2), (2 * MAX_S, 1)])
def test_calls_are_repeated_while_there_is_time_and_the_first_is_not_counted(
        duration_s, samples):
    work = Work(duration_s)
    watch = Stopwatch(torch.device('cpu'), 4, clock=lambda: work.now_s)
    assert watch.samples_ms(work) == pytest.approx([duration_s * 1e3] * samples)
    assert work.calls == samples + 1
