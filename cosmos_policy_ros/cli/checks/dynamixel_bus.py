# SPDX-License-Identifier: Apache-2.0
"""A Dynamixel bus, protocol 2.0, for reading only: there is no way here to write a register.

Registers are read one by one: dynamixel_sdk 4.0.5 garbles longer answers in which the bytes of a
packet header occur.
"""

from __future__ import annotations

from collections.abc import Callable

from dynamixel_sdk import (
    COMM_RX_CORRUPT, COMM_RX_TIMEOUT, COMM_SUCCESS, PacketHandler, PortHandler)

from cosmos_policy_ros.cli.checks.serial_port import (
    claim_port, keep_others_out, PortError, release_port)
from cosmos_policy_ros.errors import RobotError
from cosmos_policy_ros.simulation.xs_registers import CONTROL_TABLE

BAUD_RATE = 1_000_000
ATTEMPTS = 3
SIGNED_REGISTERS = ('Homing_Offset', 'Present_Position')
# Bit of a status packet that only says: look at Hardware_Error_Status.
_ALERT_BIT = 0x80
# Longer than all IDs together take to answer a broadcast.
_ANSWER_LIMIT_MS = 1000.0
_WAIT_S = 0.001
_RESULTS = {COMM_RX_TIMEOUT: 'no answer', COMM_RX_CORRUPT: 'corrupt answer'}


class MotorSilence(RobotError):
    """A motor that gave no usable answer."""


class _PatientPort(PortHandler):
    """Waits for bytes where the library would spin, and not for ever where there is only noise."""

    def setupPort(self, cflag_baud: int) -> bool:
        """Open the port."""
        is_open = super().setupPort(cflag_baud)
        self.ser.timeout = _WAIT_S
        return is_open

    def readPort(self, length: int) -> bytes:
        """Read what arrives within a moment; nothing once an answer has taken too long."""
        return super().readPort(length) if self.getTimeSinceStart() < _ANSWER_LIMIT_MS else b''


class DynamixelBus:
    """Context manager over one serial port at 1 Mbit/s; refuses a port that is in use.

    Attributes:
        num_requests: Packets sent.
        num_repeated: Packets that had to be sent again before a usable answer came.
    """

    def __init__(self, port: str) -> None:
        self._name = port
        self._packets = PacketHandler(2.0)
        self.num_requests = self.num_repeated = 0

    def __enter__(self) -> DynamixelBus:
        """Open the port.

        Raises:
            PortError: If it is absent, not accessible or in use.
        """
        self._claim = claim_port(self._name)
        self._port = _PatientPort(self._name)
        try:
            self._port.setBaudRate(BAUD_RATE)
        except OSError as error:
            release_port(self._claim)
            raise PortError(f'{self._name} cannot be set to {BAUD_RATE} bit/s: {error}') from error
        keep_others_out(self._claim)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._port.closePort()
        release_port(self._claim)

    def ping(self, motor_id: int) -> int:
        """Return the model number of a motor.

        Raises:
            MotorSilence: If it gives no usable answer.
        """
        return self._ask(f'id {motor_id}: ping',
                         lambda: self._packets.ping(self._port, motor_id))

    def read(self, motor_id: int, register: str) -> int:
        """Return a register of a motor by its name in the control table.

        Raises:
            MotorSilence: If it gives no usable answer or refuses.
        """
        item = CONTROL_TABLE[register]
        read = {1: self._packets.read1ByteTxRx, 2: self._packets.read2ByteTxRx,
                4: self._packets.read4ByteTxRx}[item.size]
        value = self._ask(f'id {motor_id}: {register}',
                          lambda: read(self._port, motor_id, item.address))
        is_negative = register in SIGNED_REGISTERS and value >= 1 << (8 * item.size - 1)
        return value - (1 << 8 * item.size) if is_negative else value

    def scan(self) -> dict[int, int]:
        """Ask all IDs at once; return ID and model number of who answers. Takes 0.8 s."""
        self.num_requests += 1
        answers, _ = self._packets.broadcastPing(self._port)
        return {motor_id: model for motor_id, (model, _) in sorted(answers.items())}

    def _ask(self, what: str, request: Callable[[], tuple[int, int, int]]) -> int:
        outcomes = []
        for _ in range(ATTEMPTS):
            self.num_requests += 1
            value, result, error = request()
            if result == COMM_SUCCESS:
                if error & ~_ALERT_BIT:
                    raise MotorSilence(
                        f'{what}: {self._packets.getRxPacketError(error & ~_ALERT_BIT)}')
                self.num_repeated += len(outcomes)
                return value
            outcomes.append(_RESULTS.get(result, self._packets.getTxRxResult(result)))
        raise MotorSilence(f'{what}: {", ".join(outcomes)} in {ATTEMPTS} attempts')
