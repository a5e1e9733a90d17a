# SPDX-License-Identifier: Apache-2.0
"""Plots of continuity show every state, every border and every value."""

import dataclasses

import pytest

from cosmos_policy_ros.evaluation.episode_report import Histogram
from cosmos_policy_ros.evaluation.episode_series import load_series
from cosmos_policy_ros.evaluation.motion_plots import plot_continuity, plot_histogram
from cosmos_policy_ros.evaluation.motion_quality import border_times, report_seams
from cosmos_policy_ros.spec.aloha import ALOHA


@pytest.fixture(scope='module')
def series(reader, topics):
    """Series of the shared episode."""
    return load_series(reader, ALOHA, topics)


def test_states_borders_and_both_arms_are_drawn(series):
    seams = report_seams(series)
    states, speeds = plot_continuity(series, seams).axes
    assert [label for label in states.get_legend_handles_labels()[1]] == ['moving', 'holding']
    labels = speeds.get_legend_handles_labels()[1]
    assert labels == ['new chunk', 'arm 1', 'arm 2', '99th percentile inside chunks']
    assert len(speeds.get_lines()) == len(border_times(series)) + 2 + 1


def test_episode_without_arms_or_chunks_can_be_drawn(series):
    silent = tuple(dataclasses.replace(
        track, commanded=track.commanded[:0], commanded_times_s=track.commanded_times_s[:0])
        for track in series.joints)
    empty = dataclasses.replace(series, joints=silent, chunks=(), arm_status=())
    _, speeds = plot_continuity(empty, None).axes
    assert not speeds.get_lines()


def test_bars_are_the_counts_in_the_unit_of_the_label():
    [axes] = plot_histogram(
        Histogram(edges=(0.0, 0.1, 0.2), counts=(3, 5)), 'latency [ms]', scale=1e3).axes
    assert [bar.get_height() for bar in axes.patches] == [3, 5]
    assert [bar.get_x() for bar in axes.patches] == pytest.approx([0.0, 100.0])
    assert axes.get_xlabel() == 'latency [ms]; the last bar holds all beyond'
