# SPDX-License-Identifier: Apache-2.0
"""Which frames a kind of sample is given, and which it is judged by."""

import pytest

from cosmos_policy_ros.diffusion.latent_layout import ALOHA, LIBERO
from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.training.sample_kind import clean_masks, frame_weights, SampleKind
from cosmos_policy_ros.training.settings import LossSettings


def clean_frames(kind, layout=ALOHA, **settings):
    """Frames that a kind of sample is given."""
    return clean_masks(layout, LossSettings(**settings))[kind].nonzero()[:, 0].tolist()


def weights(kind, layout=ALOHA, **settings):
    """Weights of a kind of sample."""
    return frame_weights(layout, LossSettings(**settings))[kind].tolist()


@pytest.mark.parametrize(('kind', 'last'), [
    (SampleKind.POLICY, 4), (SampleKind.WORLD_MODEL, 5), (SampleKind.VALUE, 9)])
def test_a_sample_is_given_what_comes_before_what_it_teaches(kind, last):
    assert clean_frames(kind) == list(range(last + 1))
    assert clean_frames(kind, layout=LIBERO) == list(range(last if kind < 2 else 8))


def test_a_value_of_the_future_is_given_nothing_else():
    assert clean_frames(SampleKind.VALUE, value_kind='v_next') == [0, 6, 7, 8, 9]
    assert clean_frames(SampleKind.VALUE, value_kind='q') == [0, 1, 2, 3, 4, 5]


def test_by_default_everything_counts_alike():
    for kind in SampleKind:
        assert weights(kind) == [1] * 11


def test_own_parts_are_the_action_the_future_and_the_value():
    assert weights(SampleKind.POLICY, own_parts_only=True) == [0] * 5 + [1] + [0] * 5
    assert weights(SampleKind.WORLD_MODEL, own_parts_only=True) == [0] * 6 + [1] * 4 + [0]
    assert weights(SampleKind.VALUE, own_parts_only=True) == [0] * 10 + [1]


def test_values_can_be_left_to_other_samples_than_those_of_the_policy():
    assert weights(SampleKind.POLICY, policy_learns_value=False)[-1] == 0
    assert weights(SampleKind.WORLD_MODEL, policy_learns_value=False)[-1] == 1


def test_a_value_sample_that_is_not_given_all_teaches_the_value_alone():
    for value_kind in ('v_next', 'q'):
        assert weights(SampleKind.VALUE, value_kind=value_kind) == [0] * 10 + [1]
        assert weights(SampleKind.POLICY, value_kind=value_kind) == [1] * 11


def test_parts_have_weights_of_their_own():
    assert weights(SampleKind.POLICY, action_weight=4, proprio_weight=3, view_weight=0.5,
                   value_weight=2) == [1] * 5 + [4, 3, 0.5, 0.5, 0.5, 2]


@pytest.mark.parametrize('settings', [
    {'value_kind': 'v'}, {'action_weight': -1.0}, {'scale': 0.0}, {'view_weight': float('nan')}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        LossSettings(**settings)
