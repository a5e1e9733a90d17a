# SPDX-License-Identifier: Apache-2.0
"""Writing in the background: everything, in order, within bounds, and a full disk is told."""

import threading
import time

import pytest

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.background_writer import (
    BackgroundWriter, WaitingMessage, WriteSettings)


class SlowDisk:
    """Stands for an episode writer whose disk a test holds up or breaks."""

    def __init__(self):
        self.written = []
        self.gate = threading.Event()
        self.gate.set()
        self.error = self.sync_error = None
        self.flushed, self.synced = [], []

    def write(self, topic_name, data, *, log_time_ns, publish_time_ns):
        """Write once the gate is open."""
        assert self.gate.wait(10.0)
        if self.error is not None:
            raise self.error
        self.written.append((topic_name, data, log_time_ns, publish_time_ns))

    def flush(self):
        """Take note that what is held back is to be written."""
        self.flushed.append(len(self.written))

    def sync(self):
        """Wait for the disk, or break."""
        self.synced.append(len(self.written))
        if self.sync_error is not None:
            raise self.sync_error


def message(index, size=10):
    """Make a message."""
    return WaitingMessage(topic_name='/a', data=bytes(size), log_time_ns=index,
                          publish_time_ns=index)


def test_everything_is_written_in_order():
    disk = SlowDisk()
    writer = BackgroundWriter(disk, WriteSettings(max_waiting_bytes=10**6))
    assert all(writer.put(message(index)) for index in range(500))
    writer.close()
    assert [entry[2] for entry in disk.written] == list(range(500))
    assert not writer.put(message(0))


def test_a_slow_disk_holds_up_nobody_and_fills_no_memory():
    disk = SlowDisk()
    disk.gate.clear()
    writer = BackgroundWriter(disk, WriteSettings(max_waiting_bytes=100))
    accepted = [writer.put(message(index)) for index in range(50)]
    assert 10 <= sum(accepted) <= 11 and not accepted[-1]
    disk.gate.set()
    writer.close()
    assert len(disk.written) == sum(accepted)


def test_a_disk_that_refuses_is_told_and_later_messages_are_not_taken():
    disk = SlowDisk()
    disk.error = RecordingError('disk full')
    writer = BackgroundWriter(disk, WriteSettings(max_waiting_bytes=10**6))
    writer.put(message(0))
    with pytest.raises(RecordingError, match='disk full'):
        writer.close()
    assert str(writer.problem) == 'disk full' and not writer.put(message(1))


def wait_until(condition):
    """Wait for another thread."""
    deadline = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_what_was_written_is_flushed_and_synced_although_no_more_comes():
    disk = SlowDisk()
    writer = BackgroundWriter(disk, WriteSettings(flush_period_s=0.05))
    writer.put(message(0))
    wait_until(lambda: disk.flushed == [1] and disk.synced == [1])
    writer.close()


def test_a_clock_decides_when_to_flush():
    disk, now_ns = SlowDisk(), [0]
    writer = BackgroundWriter(
        disk, WriteSettings(flush_period_s=1.0, sync=False), clock_ns=lambda: now_ns[0])
    for index in range(4):
        now_ns[0] = index * 400_000_000
        writer.put(message(index))
        wait_until(lambda: len(disk.written) == index + 1)
    wait_until(lambda: disk.flushed)
    writer.close()
    # Due a second after the first message: with the fourth, which came after 1.2 s.
    assert disk.flushed == [4] and disk.synced == []


def test_a_disk_that_loses_what_it_took_is_told():
    disk = SlowDisk()
    disk.sync_error = RecordingError('no such device')
    writer = BackgroundWriter(disk, WriteSettings(flush_period_s=0.01))
    writer.put(message(0))
    wait_until(lambda: disk.synced)
    writer.put(message(1))
    wait_until(lambda: writer.problem is not None)
    assert str(writer.problem) == 'no such device'
    with pytest.raises(RecordingError, match='no such device'):
        writer.close()


def test_an_unexpected_failure_of_the_thread_is_told_too():
    disk = SlowDisk()
    disk.error = ValueError('a bug')
    writer = BackgroundWriter(disk)
    writer.put(message(0))
    with pytest.raises(RecordingError, match='a bug'):
        writer.close()
    assert not writer.put(message(1))
