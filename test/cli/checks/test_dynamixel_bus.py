# SPDX-License-Identifier: Apache-2.0
"""Reading the bus: what is written comes back, damage is survived or named, nothing is written."""

import fcntl
from itertools import product
import os
import subprocess
import sys
import time

from cli.checks.dynamixel_emulator import crc16, EmulatedBus, packet, PING, READ
from dynamixel_sdk import PacketHandler
from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from cosmos_policy_ros.cli.checks.dynamixel_bus import DynamixelBus, MotorSilence
from cosmos_policy_ros.cli.checks.motor_health import REGISTERS
from cosmos_policy_ros.cli.checks.serial_port import find_holders, PortError

# Asks for what TIOCEXCL set; the standard library has no name for it.
TIOCGEXCL = 0x80045440


@given(data=st.binary(max_size=60))
def test_the_emulator_and_the_library_agree_on_the_checksum(data):
    assert crc16(data) == PacketHandler(2.0).updateCRC(0, data, len(data))


def test_the_emulator_and_the_library_agree_on_stuffing_in_answers_as_long_as_a_register():
    for data in product(b'\xff\xfd\x00\x55', repeat=4):
        body = bytes([0x55, 0x00, *data])
        framed = list(packet(1, body))
        assert bytes(PacketHandler(2.0).removeStuffing(framed)[7:7 + len(body)]) == body


@settings(max_examples=30, deadline=None)
@given(position=st.integers(-2**31, 2**31 - 1), temperature=st.integers(0, 255))
def test_registers_come_back_as_they_are(open_bus, position, temperature):
    emulated, bus = open_bus
    emulated.motors[4]['Present_Position'] = position
    emulated.motors[4]['Present_Temperature'] = temperature
    assert bus.read(4, 'Present_Position') == position
    assert bus.read(4, 'Present_Temperature') == temperature


@pytest.fixture(scope='module')
def open_bus(patience):
    """A healthy bus and its reader, both open."""
    with EmulatedBus() as emulated, DynamixelBus(emulated.port) as bus:
        yield emulated, bus


def test_only_pings_and_reads_are_ever_sent(bus):
    with DynamixelBus(bus.port) as reader:
        reader.scan()
        for motor_id in bus.motors:
            reader.ping(motor_id)
            for register in REGISTERS:
                reader.read(motor_id, register)
    assert set(bus.instructions) == {PING, READ}
    writes = [name for name in dir(reader) if 'write' in name.lower()]
    assert not writes


def test_a_scan_finds_every_motor(bus):
    bus.motors[57] = bus.motors.pop(6)
    with DynamixelBus(bus.port) as reader:
        assert reader.scan() == {1: 1120, 2: 1120, 3: 1120, 4: 1120, 5: 1120, 7: 1120, 8: 1020,
                                 9: 1020, 57: 1120}


def test_a_damaged_answer_is_asked_for_again(bus):
    bus.corrupt = lambda number: number in (0, 1)
    with DynamixelBus(bus.port) as reader:
        assert reader.ping(3) == 1120
        assert (reader.num_requests, reader.num_repeated) == (3, 2)


def test_damage_without_end_is_named(bus):
    bus.corrupt = lambda number: True
    with DynamixelBus(bus.port) as reader:
        with pytest.raises(MotorSilence, match='id 7: Drive_Mode: corrupt answer, corrupt'):
            reader.read(7, 'Drive_Mode')


def test_silence_is_named_and_does_not_take_long(bus, impatience):
    bus.is_silent = True
    with DynamixelBus(bus.port) as reader:
        start_s = time.monotonic()
        with pytest.raises(MotorSilence, match='id 2: ping: no answer'):
            reader.ping(2)
        assert time.monotonic() - start_s < 1.0


@pytest.mark.parametrize('data', [
    packet(0x33, b'\x55\x00') * 20, b'\xff\xff\xfd\x00\x33\x04\x00\x55' * 20, b'\x00' * 200])
def test_talk_without_end_of_others_does_not_hang_the_reader(bus, data, impatience):
    bus.motors.clear()
    with DynamixelBus(bus.port) as reader:
        with bus.babbling(data):
            start_s = time.monotonic()
            with pytest.raises(MotorSilence):
                reader.ping(2)
            assert time.monotonic() - start_s < 10.0


def test_answers_between_noise_are_found(bus):
    bus.noise = b'\x00\xff\xfd'
    with DynamixelBus(bus.port) as reader:
        assert [reader.ping(motor_id) for motor_id in (1, 9)] == [1120, 1020]


def test_an_answer_of_a_motor_in_trouble_still_counts(bus):
    bus.motors[5]['Hardware_Error_Status'] = 0x20
    with DynamixelBus(bus.port) as reader:
        assert reader.read(5, 'Hardware_Error_Status') == 0x20


def test_a_port_that_another_process_has_open_is_refused_naming_it(bus):
    command = f'import os, time; os.open({bus.port!r}, os.O_RDWR | os.O_NOCTTY); time.sleep(60)'
    holder = subprocess.Popen([sys.executable, '-S', '-c', command])
    try:
        deadline = time.monotonic() + 10.0
        while not find_holders(bus.port):
            assert time.monotonic() < deadline, 'the other process did not open the port'
        with pytest.raises(PortError, match=rf'in use by python.*process {holder.pid}'):
            DynamixelBus(bus.port).__enter__()
    finally:
        holder.kill()
        holder.wait()
    assert not bus.instructions


def test_a_locked_port_is_refused(bus):
    lock = os.open(bus.port, os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(PortError, match='locked'):
            DynamixelBus(bus.port).__enter__()
    finally:
        os.close(lock)
    assert not bus.instructions


def test_a_bus_on_which_someone_else_talks_is_refused(bus):
    bus.send(b'\xff\xff\xfd')
    with pytest.raises(PortError, match='nobody here asked for'):
        DynamixelBus(bus.port).__enter__()
    assert not bus.instructions


def test_others_are_kept_out_only_while_the_port_is_in_use(bus):
    device = os.open(bus.port, os.O_RDWR | os.O_NOCTTY)
    try:
        with DynamixelBus(bus.port) as reader:
            assert is_exclusive(device) and reader.ping(1) == 1120
        assert not is_exclusive(device)
    finally:
        os.close(device)


def is_exclusive(device):
    """Whether the kernel refuses further attempts to open a terminal, save those of root."""
    return bool(int.from_bytes(fcntl.ioctl(device, TIOCGEXCL, bytes(4)), sys.byteorder))


def test_a_port_is_free_again_after_use(bus):
    for _ in range(2):
        with DynamixelBus(bus.port) as reader:
            assert reader.ping(1) == 1120
    with DynamixelBus(bus.port), pytest.raises(PortError, match='locked'):
        DynamixelBus(bus.port).__enter__()


def test_an_absent_port_is_refused_listing_those_there_are():
    with pytest.raises(PortError, match='no such device; serial ports here: '):
        DynamixelBus('/dev/ttyDXL_no_such_arm').__enter__()


def test_a_file_is_no_port(tmp_path):
    path = tmp_path / 'port'
    path.touch()
    with pytest.raises(PortError, match='not a serial port'):
        DynamixelBus(str(path)).__enter__()
