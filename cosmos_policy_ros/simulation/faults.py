# SPDX-License-Identifier: Apache-2.0
"""The faults that the simulated robot can be given: a catalogue, and requests checked against it.

Two sorts: faults of a stream (`stream_faults`) spoil what an arm or a camera reports, faults of a
driver (`driver_faults`) change the driver or its motors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import math
from typing import Literal

from cosmos_policy_ros.errors import ConfigurationError

MAX_DURATION_S = 3600.0
EVERY_TARGET = ('', 'both', 'all')


@dataclass(frozen=True, kw_only=True)
class FaultKind:
    """One sort of fault.

    Attributes:
        name: Its name.
        hits: What it hits.
        text: What happens.
        amount: What its amount means, with the unit; empty if it has none.
        usual: Amount where none is asked for.
        low: Least amount.
        high: Greatest amount.
    """

    name: str
    hits: Literal['arm', 'camera']
    text: str
    amount: str = ''
    usual: float = 0.0
    low: float = 0.0
    high: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault of one arm or camera.

    Attributes:
        kind: Its sort.
        target: The arm or camera.
        amount: How much of it.
        seed: Seed of what is random about it.
        end_ns: When it ends by itself in [ns]; None: when it is ended.
    """

    kind: FaultKind
    target: str
    amount: float
    seed: int
    end_ns: int | None = None

    def is_over(self, now_ns: int) -> bool:
        """Whether it has ended by itself."""
        return self.end_ns is not None and now_ns >= self.end_ns


def _stream_kinds(
    hits: Literal['arm', 'camera'], prefix: str, *, delay_s: float, max_delay_s: float,
) -> list[FaultKind]:
    return [
        FaultKind(name=f'{prefix}_drop', hits=hits, text='messages are lost',
                  amount='share that is lost [1]', usual=1.0, low=0.01, high=1.0),
        FaultKind(name=f'{prefix}_freeze', hits=hits,
                  text='the last content comes again and again under fresh stamps'),
        FaultKind(name=f'{prefix}_repeat', hits=hits,
                  text='the last message comes again and again, its stamp included'),
        FaultKind(name=f'{prefix}_delay', hits=hits, text='messages come late',
                  amount='how late [s]', usual=delay_s, low=0.001, high=max_delay_s),
        FaultKind(name=f'{prefix}_reorder', hits=hits, text='messages overtake one another',
                  amount='messages that are shuffled at a time [1]', usual=4.0, low=2.0,
                  high=100.0),
        FaultKind(name=f'{prefix}_clock_jump', hits=hits, text='stamps are off',
                  amount='how far ahead of the clock [s]; negative: behind it', usual=1.0,
                  low=-86400.0, high=86400.0)]


FAULTS: Mapping[str, FaultKind] = {kind.name: kind for kind in (
    *_stream_kinds('arm', 'joints', delay_s=1.0, max_delay_s=60.0),
    FaultKind(name='joints_minus_pi', hits='arm',
              text='reads of the bus fail, which the driver reports as -pi of every motor'),
    FaultKind(name='joints_nan', hits='arm',
              text='reads of the bus fail, which the driver reports as not a number'),
    FaultKind(name='motor_error', hits='arm', amount='Hardware_Error_Status [1]', usual=0x20,
              low=1, high=255, text='a motor that the seed chooses fails; it is rebooted at the '
                                    'end, which takes a second'),
    FaultKind(name='torque_off', hits='arm', text='a motor that the seed chooses goes limp'),
    FaultKind(name='mode_change', hits='arm',
              text='somebody puts the arm into mode current_based_position'),
    FaultKind(name='driver_crash', hits='arm',
              text='the driver dies: its topics and services vanish, the motors hold; it starts '
                   'anew at the end'),
    FaultKind(name='services_lost', hits='arm', text='the services of the driver vanish'),
    *_stream_kinds('camera', 'camera', delay_s=2.0, max_delay_s=5.0))}


def faults_from_request(
    name: str, *, target: str, duration_s: float, amount: float, seed: int, now_ns: int,
    arms: Sequence[str], cameras: Sequence[str],
) -> list[Fault]:
    """Return the faults that a request asks for, one for each target.

    Args:
        name: Name of a fault.
        target: An arm or camera; empty, `both` or `all` for every one that the fault can hit.
        duration_s: How long in [s]; 0 until ended.
        amount: How much; 0 for what is usual.
        seed: Seed of what is random.
        now_ns: The present in [ns].
        arms: Arms of the robot.
        cameras: Cameras that are published.

    Raises:
        ConfigurationError: Naming what is not allowed and what is.
    """
    kind = FAULTS.get(name)
    if kind is None:
        raise ConfigurationError(f'no fault {name!r}; allowed: {", ".join(FAULTS)}')
    if not 0 <= duration_s <= MAX_DURATION_S:
        raise ConfigurationError(
            f'duration_s is {duration_s}; allowed is 0 (until ended) to {MAX_DURATION_S:g}')
    checked = _checked_amount(kind, amount)
    end_ns = now_ns + round(duration_s * 1e9) if duration_s else None
    return [Fault(kind=kind, target=one, amount=checked, seed=seed, end_ns=end_ns)
            for one in _targets(kind, target, arms if kind.hits == 'arm' else cameras)]


def _checked_amount(kind: FaultKind, amount: float) -> float:
    if amount == 0:
        return kind.usual
    if not kind.amount:
        raise ConfigurationError(f'amount is {amount}; {kind.name} has none, allowed is 0')
    if not (math.isfinite(amount) and kind.low <= amount <= kind.high):
        raise ConfigurationError(
            f'amount is {amount}; allowed for {kind.name} is {kind.low:g} to {kind.high:g}: '
            f'{kind.amount}')
    return amount


def _targets(kind: FaultKind, target: str, possible: Sequence[str]) -> Sequence[str]:
    if target not in (*EVERY_TARGET, *possible) or not possible:
        raise ConfigurationError(
            f'{kind.name} cannot hit {target!r}; allowed: {", ".join(possible) or "nothing"}'
            f'{", or empty for all of them" if possible else f", as no {kind.hits} is simulated"}')
    return possible if target in EVERY_TARGET else (target,)
