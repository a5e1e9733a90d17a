# SPDX-License-Identifier: Apache-2.0
"""The plots under a video move with it, and take no more room than they have to show."""

import dataclasses

import numpy as np
import pytest

from cosmos_policy_ros.evaluation.episode_series import load_series
from cosmos_policy_ros.evaluation.moving_plots import MovingPlots
from cosmos_policy_ros.spec.aloha import ALOHA


@pytest.fixture(scope='module')
def series(reader, topics):
    """Return what happened in the shared episode."""
    return load_series(reader, ALOHA, topics)


def test_without_action_chunks_no_room_is_left_for_their_values(series):
    whole = MovingPlots(series, width_px=400)
    demonstration = MovingPlots(dataclasses.replace(series, chunks=(), plans=()), width_px=400)
    assert demonstration.height_px < whole.height_px - 100
    assert demonstration.height_px % 2 == whole.height_px % 2 == 0
    assert demonstration.at(1.0).shape == (demonstration.height_px, 400, 3)


def test_the_cursor_goes_from_the_left_to_the_right(series):
    plots = MovingPlots(series, width_px=400)
    start, end = plots.at(0.0), plots.at(series.duration_s)
    columns = [np.flatnonzero((picture == 255).all(axis=2).sum(axis=0) > 60)
               for picture in (start, end)]
    assert columns[0].min() < 30 and columns[1].max() > 380
