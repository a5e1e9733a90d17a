# SPDX-License-Identifier: Apache-2.0
"""Latent layouts against the published tables."""

import pytest

from cosmos_policy_ros.diffusion.latent_layout import (
    ALOHA, latent_layout, LAYOUTS, LIBERO, NetworkRole, ROBOCASA)
from cosmos_policy_ros.errors import ConfigurationError

ROLES = tuple(NetworkRole)


def test_the_aloha_frames_are_those_of_the_published_table():
    assert (ALOHA.blank, ALOHA.proprio, ALOHA.action, ALOHA.future_proprio, ALOHA.value) == (
        0, 1, 5, 6, 10)
    assert ALOHA.current_views == {'left_wrist': 2, 'right_wrist': 3, 'primary': 4}
    assert ALOHA.future_views == {'left_wrist': 7, 'right_wrist': 8, 'primary': 9}


@pytest.mark.parametrize('layout, latent_frames, video_frames', [
    (ALOHA, 11, 41), (ROBOCASA, 11, 41), (LIBERO, 9, 33)])
def test_the_sequence_lengths_are_those_of_the_published_table(
        layout, latent_frames, video_frames):
    assert layout.num_latent_frames == latent_frames
    assert layout.num_video_frames == video_frames


def test_preview_images_are_the_first_of_their_four_video_frames():
    assert [ALOHA.first_video_frame(i) for i in ALOHA.future_views.values()] == [25, 29, 33]
    assert [LIBERO.first_video_frame(i) for i in LIBERO.future_views.values()] == [21, 25]


@pytest.mark.parametrize('layout, expected', [
    (ALOHA, [(0, 1, 2, 3, 4), (0, 1, 2, 3, 4, 5), tuple(range(10)), (0, 6, 7, 8, 9),
             (0, 1, 2, 3, 4, 5)]),
    (LIBERO, [(0, 1, 2, 3), (0, 1, 2, 3, 4), tuple(range(8)), (0, 5, 6, 7), (0, 1, 2, 3, 4)])])
def test_the_clean_frames_of_each_role_are_those_of_the_published_table(layout, expected):
    assert [layout.clean_frames(role) for role in ROLES] == expected


@pytest.mark.parametrize('layout', LAYOUTS.values(), ids=LAYOUTS)
def test_every_frame_has_exactly_one_content(layout):
    frames = [layout.blank, layout.proprio, *layout.current_views.values(), layout.action,
              layout.future_proprio, *layout.future_views.values(), layout.value]
    assert frames == list(range(layout.num_latent_frames))


@pytest.mark.parametrize('layout', LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize('role', ROLES)
def test_every_role_denoises_the_value(layout, role):
    assert layout.value not in layout.clean_frames(role)


def test_an_unknown_layout_is_refused_with_the_known_ones():
    with pytest.raises(ConfigurationError, match='aloha, libero, robocasa'):
        latent_layout('humanoid')
