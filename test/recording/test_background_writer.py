# SPDX-License-Identifier: Apache-2.0
"""Writing in the background: everything, in order, within bounds, and a full disk is told."""

import threading

import pytest

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.background_writer import BackgroundWriter, WaitingMessage


class SlowDisk:
    """Stands for an episode writer whose disk a test holds up or breaks."""

    def __init__(self):
        self.written = []
        self.gate = threading.Event()
        self.gate.set()
        self.error = None

    def write(self, topic_name, data, *, log_time_ns, publish_time_ns):
        """Write once the gate is open."""
        assert self.gate.wait(10.0)
        if self.error is not None:
            raise self.error
        self.written.append((topic_name, data, log_time_ns, publish_time_ns))


def message(index, size=10):
    """Make a message."""
    return WaitingMessage(topic_name='/a', data=bytes(size), log_time_ns=index,
                          publish_time_ns=index)


def test_everything_is_written_in_order():
    disk = SlowDisk()
    writer = BackgroundWriter(disk, max_waiting_bytes=10**6)
    assert all(writer.put(message(index)) for index in range(500))
    writer.close()
    assert [entry[2] for entry in disk.written] == list(range(500))
    assert not writer.put(message(0))


def test_a_slow_disk_holds_up_nobody_and_fills_no_memory():
    disk = SlowDisk()
    disk.gate.clear()
    writer = BackgroundWriter(disk, max_waiting_bytes=100)
    accepted = [writer.put(message(index)) for index in range(50)]
    assert 10 <= sum(accepted) <= 11 and not accepted[-1]
    disk.gate.set()
    writer.close()
    assert len(disk.written) == sum(accepted)


def test_a_disk_that_refuses_is_told_and_later_messages_are_not_taken():
    disk = SlowDisk()
    disk.error = RecordingError('disk full')
    writer = BackgroundWriter(disk, max_waiting_bytes=10**6)
    writer.put(message(0))
    with pytest.raises(RecordingError, match='disk full'):
        writer.close()
    assert str(writer.problem) == 'disk full' and not writer.put(message(1))
