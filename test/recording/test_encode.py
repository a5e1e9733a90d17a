# SPDX-License-Identifier: Apache-2.0
"""What is encoded here is read by an independent implementation, and by `decode`'s library."""

from hypothesis import given
from hypothesis import strategies as st
import pytest

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.encode import encode_message, header

FLOATS = st.lists(st.floats(allow_nan=False), max_size=9)


@given(names=st.lists(st.text('abcdef', max_size=6), max_size=5), values=FLOATS,
       stamp_ns=st.integers(0, 2**31 * 10**9 - 1))
def test_joint_states_are_read_by_another_implementation(typestore, names, values, stamp_ns):
    data = encode_message('sensor_msgs/msg/JointState', {
        'header': header(stamp_ns, 'somewhere'), 'name': names, 'position': values})
    message = typestore.deserialize_cdr(data, 'sensor_msgs/msg/JointState')
    assert message.name == names and message.position.tolist() == values
    assert message.header.stamp.sec * 10**9 + message.header.stamp.nanosec == stamp_ns
    assert message.header.frame_id == 'somewhere' and message.velocity.size == 0


@given(st.binary(max_size=40))
def test_bytes_are_kept(typestore, data):
    encoded = encode_message('sensor_msgs/msg/CompressedImage', {'format': 'jpeg', 'data': data})
    message = typestore.deserialize_cdr(encoded, 'sensor_msgs/msg/CompressedImage')
    assert message.data.tobytes() == data and message.format == 'jpeg'


def test_a_value_that_does_not_fit_is_refused():
    with pytest.raises(RecordingError, match='cannot encode sensor_msgs/msg/JointState'):
        encode_message('sensor_msgs/msg/JointState', {'position': 'up'})


def test_an_unknown_type_is_refused():
    with pytest.raises(RecordingError, match='no_msgs'):
        encode_message('no_msgs/msg/Nothing', {})
