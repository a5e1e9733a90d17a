# SPDX-License-Identifier: Apache-2.0
"""Plots show the data that they were given."""

import dataclasses

import numpy as np
import pytest

from cosmos_policy_ros.evaluation.episode_plots import plot_joints, plot_stages
from cosmos_policy_ros.evaluation.episode_report import Distribution
from cosmos_policy_ros.evaluation.episode_series import load_series
from cosmos_policy_ros.evaluation.motion_report import compute_report
from cosmos_policy_ros.spec.aloha import ALOHA


@pytest.fixture(scope='module')
def content(reader, topics):
    """Series and joint reports of the shared episode."""
    series = load_series(reader, ALOHA, topics)
    return series, compute_report(reader, series, topics).joints


def test_every_joint_has_its_measurement_and_target_drawn(content):
    series, reports = content
    figure = plot_joints(series, reports)
    by_title = {axes.get_title(loc='left'): axes for axes in figure.axes}
    assert len(by_title) == 14
    for track in series.joints:
        lines = {line.get_label(): line
                 for line in by_title[track.name.replace('_', ' ')].get_lines()}
        np.testing.assert_array_equal(lines['measured'].get_ydata(), track.measured)
        np.testing.assert_array_equal(lines['commanded'].get_ydata(), track.commanded)


def test_left_arm_stands_left_of_the_right_arm(content):
    places = {axes.get_title(loc='left'): axes.get_subplotspec().colspan.start
              for axes in plot_joints(*content).axes}
    assert {name.split()[0]: column for name, column in places.items()} == {'left': 0, 'right': 1}


def test_joint_that_stands_still_does_not_look_busy(content):
    series, reports = content
    noise = 1e-4 * np.sin(np.arange(401))
    still = dataclasses.replace(
        series, chunks=(), joints=tuple(dataclasses.replace(
            track, measured=noise, commanded_times_s=np.empty(0), commanded=np.empty(0))
            for track in series.joints))
    low, high = plot_joints(still, reports).axes[0].get_ylim()
    assert high - low >= 0.1
    assert low < 0 < high


def test_bars_are_the_percentiles_in_milliseconds():
    stage = Distribution(count=9, mean_s=0.1, p50_s=0.1, p99_s=0.3, max_s=0.4)
    latency = Distribution(count=9, mean_s=0.5, p50_s=0.5, p99_s=0.7, max_s=0.8)
    [axes] = plot_stages({'encode': stage}, latency).axes
    assert sorted(bar.get_width() for bar in axes.patches) == pytest.approx([100, 300, 500, 700])
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        'encode', 'observation to chunk']
