# SPDX-License-Identifier: Apache-2.0
"""Checked reading of maps from outside."""

import numpy as np
import pytest

from cosmos_policy_ros.errors import ObservationError
from cosmos_policy_ros.policy.remote.fields import Fields


def fields(**values):
    """Return the fields of a map."""
    return Fields('the thing', values, ObservationError)


@pytest.mark.parametrize('read, value, expected', [
    ('text', 'a', 'a'), ('flag', True, True),
    ('flag', np.True_, True), ('integer', 5, 5), ('integer', np.int64(5), 5), ('number', 5, 5.0),
    ('number', np.float32(0.5), 0.5), ('map', {'a': 1}, {'a': 1})])
def test_a_field_of_the_right_kind_is_returned(read, value, expected):
    result = getattr(fields(key=value), read)('key')
    assert result == expected and type(result) is type(expected)


@pytest.mark.parametrize('read, value', [
    ('text', b'a'), ('text', None), ('items', 'ab'), ('items', {}), ('flag', 1), ('flag', 'no'),
    ('integer', True), ('integer', 5.0), ('integer', '5'), ('number', False), ('number', '5'),
    ('number', float('nan')), ('number', float('inf')), ('map', [1]), ('map', {1: 2}),
    ('numbers', 'text'), ('numbers', ['1.0']), ('numbers', [[1], [1, 2]]), ('numbers', [None]),
    ('numbers', np.array([True])), ('images', {'cam': 5}), ('images', {b'cam': 5})])
def test_a_field_of_another_kind_is_refused_by_name(read, value):
    with pytest.raises(ObservationError, match='key|cam'):
        getattr(fields(key=value), read)('key')


@pytest.mark.parametrize('read', ['text', 'items', 'flag', 'integer', 'number', 'numbers', 'map'])
def test_a_missing_field_is_refused_by_name(read):
    with pytest.raises(ObservationError, match="the thing has no 'key'"):
        getattr(fields(other=1), read)('key')


@pytest.mark.parametrize('value', [None, 5, [1], 'text', b'bytes'])
def test_what_is_no_map_is_refused(value):
    with pytest.raises(ObservationError, match='expected a map'):
        Fields('the thing', value, ObservationError)


def test_the_items_of_a_list_are_fields_with_numbers():
    items = fields(key=['a', 5]).items('key')
    assert items.names == ('0', '1') and items.text('0') == 'a'
    with pytest.raises(ObservationError, match='1 of key of the thing is int'):
        items.text('1')


def test_none_counts_as_absent():
    assert not fields(key=None).has('key') and not fields().has('key') and fields(key=0).has('key')


def test_unknown_fields_are_named():
    with pytest.raises(ObservationError, match="'observation/state'.*known are state"):
        fields(**{'observation/state': 1}).refuse_others(['state'])


def test_an_image_may_have_its_channels_first_or_last():
    image = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    for given in (image, image.transpose(2, 0, 1)):
        np.testing.assert_array_equal(fields(images={'cam': given}).images('images')['cam'], image)


@pytest.mark.parametrize('image', [
    np.zeros((4, 6, 3)), np.zeros((4, 6), np.uint8), np.zeros((4, 6, 4), np.uint8),
    np.zeros((0, 6, 3), np.uint8), np.zeros((1, 4, 6, 3), np.uint8)])
def test_an_image_of_another_kind_is_refused(image):
    with pytest.raises(ObservationError, match=r"'cam' of images of the thing.*\(H, W, 3\)"):
        fields(images={'cam': image}).images('images')
