# SPDX-License-Identifier: Apache-2.0
"""Episodes in the cache: complete, finite and of one view, or not there."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from cosmos_policy_ros.errors import ObservationError, RecordingError
from cosmos_policy_ros.policy.preprocessing import crop_and_restore, preprocess_images
from cosmos_policy_ros.recording.episode import EpisodeMetadata
from cosmos_policy_ros.recording.step import Step, SteppedEpisode
from cosmos_policy_ros.recording.step_image import StepImage
from cosmos_policy_ros.training.augmentation import augment
from cosmos_policy_ros.training.prepared_episode import (
    episode_identity, find_episodes, is_prepared, load_prepared, prepare_episode, View)

CAMERAS = ('cam_high', 'cam_left_wrist', 'cam_right_wrist')


@pytest.fixture
def view(small_config):
    """How the small model looks."""
    return View.of(small_config)


def images(index, cameras=CAMERAS):
    """Images of a step."""
    random = np.random.default_rng(index)
    return {camera: random.integers(0, 256, (48, 64, 3), np.uint8) for camera in cameras}


def stepped(*, steps=5, rate=25, cameras=CAMERAS, bad_step=None):
    """An episode of steps."""
    def read():
        for i in range(steps):
            action = np.full(14, np.nan if i == bad_step else i + 1, np.float32)
            yield Step(index=i, time_ns=i, positions=np.full(14, i, np.float32), action=action,
                       images={name: StepImage(i, pixels=pixels)
                               for name, pixels in images(i, cameras).items()})
    metadata = EpisodeMetadata(task='t', robot='interbotix', mode='scripted',
                               software_version='1', started_ns=0)
    return SteppedEpisode(name='episode', metadata=metadata, rate_hz=Fraction(rate),
                          cameras=cameras, read=read)


def test_a_prepared_episode_shows_what_inference_sees(tmp_path, view, small_config):
    prepare_episode(tmp_path, 'a', stepped(), view)
    episode = load_prepared(tmp_path, 'a')
    assert episode.name == 'episode' and len(episode) == 5
    assert episode.proprio[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert episode.actions[:, 0].tolist() == [1, 2, 3, 4, 5]
    import torch
    stored = torch.from_numpy(np.array(episode.images))
    for i, seen in enumerate(augment(stored, 'none', np.arange(5))):
        assert torch.equal(seen, preprocess_images(images(i), view.cameras, small_config))
        assert torch.equal(seen, crop_and_restore(stored[i]))


def test_images_that_are_shown_again_say_how_old_they_are(tmp_path, view):
    shown = {name: StepImage(-10_000_000, pixels=pixels) for name, pixels in images(0).items()}
    once = stepped()
    again = replace(once, read=lambda: (
        replace(step, images=shown, time_ns=40_000_000 * step.index) for step in once))
    prepare_episode(tmp_path, 'a', again, view)
    episode = load_prepared(tmp_path, 'a')
    np.testing.assert_allclose(episode.image_ages_s, 0.01 + 0.04 * np.arange(5), rtol=1e-6)
    assert (episode.images == episode.images[0]).all()
    assert load_prepared(tmp_path, 'a').images.shape == (5, 3, 32, 32, 3)


def test_frames_stay_on_disk(tmp_path, view):
    prepare_episode(tmp_path, 'a', stepped(), view)
    assert isinstance(load_prepared(tmp_path, 'a').images, np.memmap)


@pytest.mark.parametrize(('content', 'error', 'text'), [
    ({'rate': 50}, RecordingError, '50 steps per second'),
    ({'bad_step': 3}, RecordingError, 'actions of step 3'),
    ({'cameras': ('cam_high',)}, ObservationError, 'cam_left_wrist')])
def test_what_does_not_fit_is_refused_and_leaves_nothing(tmp_path, view, content, error, text):
    with pytest.raises(error, match=text):
        prepare_episode(tmp_path, 'a', stepped(**content), view)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_refuses_leaves_nothing(tmp_path, view, monkeypatch):
    def refuse(*_):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(np, 'save', refuse)
    with pytest.raises(RecordingError, match='No space left'):
        prepare_episode(tmp_path, 'a', stepped(), view)
    assert not list(tmp_path.iterdir()) and not is_prepared(tmp_path, 'a')


def test_a_damaged_episode_is_named(tmp_path, view):
    prepare_episode(tmp_path, 'a', stepped(), view)
    (tmp_path / 'a' / 'actions.npy').write_bytes(b'no array')
    with pytest.raises(RecordingError, match='remove the folder'):
        load_prepared(tmp_path, 'a')


def test_the_identity_changes_with_the_recording_and_with_the_view(tmp_path, view):
    (tmp_path / 'e.mcap').write_bytes(b'x' * 200_000)
    first = episode_identity(tmp_path, view)
    assert episode_identity(tmp_path, view) == first
    assert episode_identity(tmp_path, replace(view, image_size_px=64)) != first
    (tmp_path / 'e.mcap').write_bytes(b'x' * 199_999 + b'y')
    assert episode_identity(tmp_path, view) != first


def test_folders_without_episodes_are_refused(tmp_path, view):
    with pytest.raises(RecordingError, match='holds no episode'):
        find_episodes(tmp_path)
    with pytest.raises(RecordingError, match='no recording'):
        episode_identity(tmp_path, view)
