# SPDX-License-Identifier: Apache-2.0
"""Stamps read from bytes agree with what was written into the message."""

from hypothesis import given, strategies as st
import pytest

from cosmos_policy_ros.recording.message_stamp import stamp_of


def header(sec, nanosec, order='little'):
    """Return the beginning of a serialized message with a header."""
    flag = 1 if order == 'little' else 0
    stamp = sec.to_bytes(4, order, signed=True) + nanosec.to_bytes(4, order)
    return bytes([0, flag, 0, 0]) + stamp


@given(st.integers(1, 2**31 - 1), st.integers(0, 10**9 - 1), st.sampled_from(['little', 'big']))
def test_the_stamp_is_what_was_written_in_either_byte_order(sec, nanosec, order):
    assert stamp_of(header(sec, nanosec, order) + b'more') == sec * 10**9 + nanosec


@pytest.mark.parametrize('data', [b'', b'\0\1\0\0', header(0, 0), header(1, 1)[:-1]])
def test_what_has_no_stamp_has_none(data):
    assert stamp_of(data) is None
