# SPDX-License-Identifier: Apache-2.0
"""Time between the images of several cameras."""

from hypothesis import given, strategies as st
import pytest

from cosmos_policy_ros.recording.camera_skew import CameraSkew

PERIOD = 33_000_000


def fed(offsets_ns, num_images=50):
    """Return the skew of cameras whose images lag by an offset each."""
    skew = CameraSkew()
    for camera in range(len(offsets_ns)):
        skew.add(str(camera))
    for index in range(num_images):
        for camera, offset_ns in enumerate(offsets_ns):
            skew.update(str(camera), index * PERIOD + offset_ns)
    return skew


@given(st.lists(st.integers(0, PERIOD - 1), min_size=2, max_size=4))
def test_constant_offsets_are_the_skew(offsets_ns):
    skew = fed(offsets_ns)
    expected_s = (max(offsets_ns) - min(offsets_ns)) / 1e9
    assert skew.newest_s == pytest.approx(expected_s) == skew.usual_s


def test_one_camera_or_none_has_no_skew():
    assert CameraSkew().usual_s == fed([0]).usual_s == 0.0


def test_a_silent_camera_gives_no_skew_of_its_own():
    skew = CameraSkew()
    skew.add('silent')
    skew.add('other')
    skew.update('other', 10**9)
    assert skew.newest_s == 0.0
