# SPDX-License-Identifier: Apache-2.0
"""Panels stand where their camera stands, whole and in their colours."""

import numpy as np
import pytest

from cosmos_policy_ros.evaluation.contact_sheet import ContactSheet, Panel

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)
EMPTY = Panel(caption='', image=None, placeholder='no prediction yet')


def plain(colour, width: int = 64, height: int = 48) -> Panel:
    return Panel(caption='', image=np.full((height, width, 3), colour, np.uint8))


def compose(*columns: tuple[Panel, Panel], heading: str = '', warning: str = '') -> np.ndarray:
    sheet = ContactSheet([str(index) for index in range(len(columns))])
    panels = {str(index): column for index, column in enumerate(columns)}
    image = sheet.compose(panels, heading, warning)
    assert image.shape == (sheet.size[1], sheet.size[0], 3)
    return image


def count(image: np.ndarray, colour) -> int:
    return int(np.count_nonzero((image == colour).all(axis=2)))


@pytest.mark.parametrize('has_imagined', [True, False])
@pytest.mark.parametrize('cameras', [1, 3, 4])
def test_size_is_even_as_the_video_format_demands(cameras: int, has_imagined: bool):
    names = [str(index) for index in range(cameras)]
    width, height = ContactSheet(names, has_imagined=has_imagined).size
    assert width % 2 == height % 2 == 0


def test_where_nothing_was_imagined_no_room_is_left_for_it():
    sheet = ContactSheet(['a'], has_imagined=False)
    image = sheet.compose({'a': (plain(RED), plain(GREEN))}, 'heading')
    assert image.shape[:2] == sheet.size[::-1]
    assert sheet.size[1] < ContactSheet(['a']).size[1] - 240
    assert (count(image, RED), count(image, GREEN)) == (320 * 240, 0)


def test_cameras_stand_in_columns_live_above_imagined():
    image = compose((plain(RED), plain(GREEN)), (plain(BLUE), EMPTY))
    rows, columns = {}, {}
    for name, colour in (('red', RED), ('green', GREEN), ('blue', BLUE)):
        assert count(image, colour) == 320 * 240
        rows[name], columns[name] = np.argwhere((image == colour).all(axis=2)).mean(axis=0)
    assert rows['red'] == rows['blue'] < rows['green']
    assert columns['red'] == columns['green'] < columns['blue']


def test_small_image_is_enlarged_without_mixing_colours():
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 0], image[1, 1] = RED, GREEN
    sheet = compose((Panel(caption='', image=image, aspect_ratio=4 / 3), EMPTY))
    assert count(sheet, RED) == count(sheet, GREEN) == 160 * 120


@pytest.mark.parametrize(('width', 'height', 'area'), [
    (100, 100, 240 * 240), (320, 120, 320 * 120), (64, 48, 320 * 240), (480, 640, 180 * 240)])
def test_image_keeps_its_shape(width: int, height: int, area: int):
    assert count(compose((plain(RED, width, height), EMPTY)), RED) == area


def test_image_can_be_shown_in_the_shape_of_another():
    square = Panel(caption='', image=plain(RED, 50, 50).image, aspect_ratio=4 / 3)
    assert count(compose((square, EMPTY)), RED) == 320 * 240


def test_changed_image_is_shown_and_the_same_one_is_kept():
    sheet = ContactSheet(['a'])
    panel = plain(RED)
    first, second, third = (sheet.compose({'a': (shown, EMPTY)}, '') for shown in (
        panel, panel, plain(BLUE)))
    np.testing.assert_array_equal(first, second)
    assert (count(third, RED), count(third, BLUE)) == (0, 320 * 240)


def test_reversed_channels_are_shown():
    view = plain(RED).image[..., ::-1]
    assert count(compose((Panel(caption='', image=view), EMPTY)), BLUE) == 320 * 240


def test_missing_image_is_grey_with_words():
    with_words = compose((EMPTY, EMPTY))
    without = compose((Panel(caption='', image=None),) * 2)
    assert not np.array_equal(with_words, without)
    assert count(without, (96, 100, 106)) == 2 * 320 * 240


def test_warning_stays_in_view_beside_the_longest_heading():
    plain_sheet = compose((EMPTY, EMPTY))
    warned = compose((EMPTY, EMPTY), heading='word ' * 100, warning='untrained')
    changed = np.argwhere((warned != plain_sheet).any(axis=2))
    assert changed[:, 0].max() < 34
    assert np.count_nonzero((warned[:34, :, 0] > 200) & (warned[:34, :, 2] < 100)) > 50
