# SPDX-License-Identifier: Apache-2.0
"""The nine motors of an arm on a pseudo-terminal: Dynamixel protocol 2.0, with faults.

Written from the protocol's description and independent of dynamixel_sdk, CRC included, so that
the two check each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
import select
import threading
import tty

from cosmos_policy_ros.cli.checks.motor_table import ArmKind, ARMS
from cosmos_policy_ros.simulation.xs_registers import CONTROL_TABLE

PING, READ, STATUS, BROADCAST_ID = 0x01, 0x02, 0x55, 0xFE
HEADER = b'\xff\xff\xfd\x00'
RESULT_OK, INSTRUCTION_ERROR, ALERT = 0x00, 0x02, 0x80
TABLE_SIZE = 147


def crc16(data: bytes) -> int:
    """CRC-16 with the polynomial 0x8005, from zero, most significant bit first."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x8005) & 0xFFFF if crc & 0x8000 else crc << 1
    return crc


def packet(motor_id: int, body: bytes) -> bytes:
    """Frame an instruction or a status: header, ID, length, stuffed body, CRC."""
    stuffed = body.replace(b'\xff\xff\xfd', b'\xff\xff\xfd\xfd')
    framed = HEADER + bytes([motor_id]) + (len(stuffed) + 2).to_bytes(2, 'little') + stuffed
    return framed + crc16(framed).to_bytes(2, 'little')


class EmulatedMotor:
    """The control table of one motor. Registers are set by name."""

    def __init__(self, **registers: int) -> None:
        self._table = bytearray(TABLE_SIZE)
        for name, register in CONTROL_TABLE.items():
            self[name] = registers.get(name, register.initial)

    def __setitem__(self, name: str, value: int) -> None:
        register = CONTROL_TABLE[name]
        self._table[register.address:register.address + register.size] = (
            value % (1 << 8 * register.size)).to_bytes(register.size, 'little')

    def __getitem__(self, name: str) -> int:
        register = CONTROL_TABLE[name]
        return int.from_bytes(self.read(register.address, register.size), 'little')

    def read(self, address: int, size: int) -> bytes:
        """Bytes of the table."""
        return bytes(self._table[address:address + size])


class EmulatedBus:
    """Context manager: motors that answer on the serial port named `port`.

    Attributes:
        motors: ID to motor; remove one to unplug it.
        instructions: Every instruction byte received so far.
        corrupt: Called with the number of an answer, from 0; true spoils it.
        is_silent: Nothing is answered.
        noise: Sent behind every answer.
    """

    def __init__(self, arm: ArmKind = 'follower') -> None:
        self.motors = {motor.id: EmulatedMotor(
            ID=motor.id, Model_Number=motor.model, Drive_Mode=motor.drive_mode,
            Secondary_ID=motor.secondary_id) for motor in ARMS[arm]}
        self.instructions: list[int] = []
        self.corrupt = lambda number: False
        self.is_silent = False
        self.noise = b''
        self._num_answers = 0
        self._should_stop = threading.Event()

    def __enter__(self) -> EmulatedBus:
        self._controller, device = os.openpty()
        tty.setraw(device)
        # The terminal stays open here: without a reader it would report a hang-up.
        self._device = device
        self.port = os.ttyname(device)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._should_stop.set()
        self._thread.join()
        os.close(self._controller)
        os.close(self._device)

    def send(self, data: bytes) -> None:
        """Put bytes on the bus that nobody asked for."""
        os.write(self._controller, data)

    @contextmanager
    def babbling(self, data: bytes) -> Iterator[None]:
        """Send bytes all the time."""
        should_stop = threading.Event()

        def babble() -> None:
            while not should_stop.is_set():
                if select.select([], [self._controller], [], 0.02)[1]:
                    os.write(self._controller, data)

        thread = threading.Thread(target=babble, daemon=True)
        thread.start()
        try:
            yield
        finally:
            should_stop.set()
            thread.join()

    def _run(self) -> None:
        pending = b''
        while not self._should_stop.is_set():
            if select.select([self._controller], [], [], 0.02)[0]:
                pending = self._take_packets(pending + os.read(self._controller, 4096))

    def _take_packets(self, data: bytes) -> bytes:
        """Answer the complete packets and return what is left."""
        while len(data) >= 7:
            end = 7 + int.from_bytes(data[5:7], 'little')
            assert data.startswith(HEADER), f'no packet header: {data.hex()}'
            if len(data) < end:
                break
            self._take(data[:end])
            data = data[end:]
        return data

    def _take(self, framed: bytes) -> None:
        assert crc16(framed[:-2]) == int.from_bytes(framed[-2:], 'little'), framed.hex()
        motor_id, instruction, parameters = framed[4], framed[7], framed[8:-2]
        self.instructions.append(instruction)
        addressed = list(self.motors) if motor_id == BROADCAST_ID else [motor_id]
        for each in addressed:
            if each in self.motors and not self.is_silent:
                self._answer(each, *self._status(self.motors[each], instruction, parameters))

    def _status(self, motor: EmulatedMotor, instruction: int,
                parameters: bytes) -> tuple[int, bytes]:
        if instruction == PING:
            return RESULT_OK, motor.read(0, 2) + motor.read(6, 1)
        if instruction == READ:
            address, size = (int.from_bytes(parameters[i:i + 2], 'little') for i in (0, 2))
            return RESULT_OK, motor.read(address, size)
        return INSTRUCTION_ERROR, b''

    def _answer(self, motor_id: int, error: int, parameters: bytes) -> None:
        alert = ALERT if self.motors[motor_id]['Hardware_Error_Status'] else 0
        answer = bytearray(packet(motor_id, bytes([STATUS, error | alert]) + parameters))
        if self.corrupt(self._num_answers):
            answer[-3] ^= 0x10
        self._num_answers += 1
        os.write(self._controller, bytes(answer) + self.noise)
