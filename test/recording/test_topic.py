# SPDX-License-Identifier: Apache-2.0
"""Quality of service is written in the form that bags of all distributions carry."""

import pytest
from rosbags.interfaces import QosDurability, QosHistory, QosReliability
from rosbags.rosbag2.metadata import parse_qos

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.topic import TopicQos


def test_an_independent_reader_finds_the_same_profile():
    [qos] = parse_qos(TopicQos(
        reliability='best_effort', durability='transient_local', history='keep_all',
        depth=7).to_yaml())
    assert (qos.reliability, qos.durability, qos.history, qos.depth) == (
        QosReliability.BEST_EFFORT, QosDurability.TRANSIENT_LOCAL, QosHistory.KEEP_ALL, 7)


@pytest.mark.parametrize('policy', [
    {'reliability': 'maybe'}, {'durability': 1}, {'history': ''}, {'depth': -1}])
def test_unknown_policy_is_refused(policy):
    with pytest.raises(RecordingError, match=next(iter(policy))):
        TopicQos(**policy)
