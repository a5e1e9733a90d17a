# SPDX-License-Identifier: Apache-2.0
"""A trial tells what the schedule and the executor do at a latency, the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from swaying_chunks import SwayingChunks

from cosmos_policy_ros.evaluation.episode_plots import png_bytes
from cosmos_policy_ros.evaluation.motion_plots import plot_seams
from cosmos_policy_ros.evaluation.motion_trial import MotionTrial, run_trial
from cosmos_policy_ros.evaluation.virtual_robot import START_NS
from cosmos_policy_ros.robot.motion_settings import Strategy
from cosmos_policy_ros.spec.aloha import ALOHA

LENGTH_S = 4.0


def _run(strategy: Strategy, latency_s: float, beside_rad: float = 0.0) -> MotionTrial:
    return run_trial(ALOHA, SwayingChunks(LENGTH_S, beside_rad), strategy, latency_s, 0)


@pytest.fixture(scope='module')
def blocking() -> MotionTrial:
    """Chunks one after the other with pauses."""
    return _run(Strategy.BLOCKING, 0.5)


@pytest.fixture(scope='module')
def blended() -> MotionTrial:
    """Chunks that disagree, blended."""
    return _run(Strategy.ASYNC_BLEND, 0.5, beside_rad=0.03)


def test_blocking_pauses_for_latency_and_settling_and_has_no_takeovers(blocking):
    assert blocking.idle_share == pytest.approx(0.6 / 2.6, abs=0.02)
    assert blocking.takeover is None and blocking.disagreement_rad is None


def test_blending_never_pauses_and_tells_how_much_the_chunks_disagreed(blended):
    assert blended.idle_share == 0 and blended.rejected == 0
    assert blended.disagreement_rad == pytest.approx(0.03, abs=5e-3)
    assert blended.takeover is not None and blended.inside is not None


def test_the_same_trial_comes_out_the_same(blended):
    again = _run(Strategy.ASYNC_BLEND, 0.5, beside_rad=0.03)
    for one, other in zip(blended.series.joints, again.series.joints):
        np.testing.assert_array_equal(one.commanded, other.commanded)


def test_what_is_committed_is_what_is_then_commanded():
    source = SwayingChunks(LENGTH_S, 0.03)
    trial = run_trial(ALOHA, source, Strategy.PREFIX_CONDITIONED, 0.5, 0)
    assert source.asked[0][1] is None
    asked = [(stamp_ns, actions) for stamp_ns, actions in source.asked if actions is not None]
    assert asked and trial.disagreement_rad < 1e-3
    times_s = trial.series.joints[0].commanded_times_s
    commanded = np.array([track.commanded for track in trial.series.joints]).T
    for stamp_ns, actions in asked:
        assert len(actions) == 13, '0.5 s at 25 Hz, and one more'
        due_s = (stamp_ns - START_NS) / 1e9 + 0.04 * np.arange(1, len(actions) + 1)
        is_past = due_s <= times_s[-1]
        ran = np.array([np.interp(due_s, times_s, column) for column in commanded.T]).T
        np.testing.assert_allclose(ran[is_past], actions[is_past], atol=5e-3)


def test_takeovers_and_pauses_can_be_drawn(blocking, blended):
    assert png_bytes(plot_seams([blocking, blended])).startswith(b'\x89PNG')
