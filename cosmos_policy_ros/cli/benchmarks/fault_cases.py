# SPDX-License-Identifier: Apache-2.0
"""The faults that are rehearsed, what the arms must do about each, and when it can be noticed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# Which of the arms' motors a fault hits: a joint that does not fall.
WAIST_SEED = 14

Sign = Literal['age', 'ahead', 'frozen', 'told', 'poll', 'look', 'unanswered', 'silence', 'end',
               'none']
"""When a fault can be noticed.

`age`: the newest good joint state is older than allowed. `ahead`: a joint state of the future was
sent. `frozen`: a command went further than a joint that does not move may be told to. `told`:
somebody said so on a topic. `poll`, `look`: the next time that drivers, or commanders, are looked
at. `unanswered`: two polls of the driver went without an answer. `silence`: the policy was silent
for longer than allowed. `end`: the chunk ran out. `none`: it is to be tolerated.
"""


@dataclass(frozen=True, kw_only=True)
class FaultCase:
    """One row of the matrix.

    Attributes:
        name: Fault of the simulated robot, or one of `foreign_commander`, `missing_chunk`,
            `policy_death`, `emergency_stop`.
        sign: When it can be noticed.
        reason: Stop reason that it must lead to.
        target: Arm or camera; empty for all.
        amount: How much; 0 for what is usual.
        seed: Seed of what is random.
    """

    name: str
    sign: Sign
    reason: str = 'joint_states_stale'
    target: str = 'follower_left'
    amount: float = 0.0
    seed: int = 0

    @property
    def label(self) -> str:
        """Name, with the amount where it is not the usual one."""
        return f'{self.name} {self.amount:g}' if self.amount else self.name

    @property
    def is_exact(self) -> bool:
        """Whether it is known to the millisecond when the fault can be noticed."""
        return self.sign not in ('poll', 'look', 'unanswered', 'none')

    @property
    def is_tolerated(self) -> bool:
        """Whether the arms must go on."""
        return self.sign == 'none'

    @property
    def goes_on_alone(self) -> bool:
        """Whether the arms go on by themselves once it is over: they only wait for a chunk."""
        return self.sign in ('none', 'end')


def _camera(name: str) -> FaultCase:
    return FaultCase(name=name, sign='told', reason='images_stale', target='cam_high')


CASES = (
    FaultCase(name='joints_drop', sign='age', target='both'),
    FaultCase(name='joints_drop', sign='none', reason='none', amount=0.3),
    FaultCase(name='joints_freeze', sign='frozen', target='follower_right'),
    FaultCase(name='joints_repeat', sign='age'),
    FaultCase(name='joints_delay', sign='age', target='both'),
    FaultCase(name='joints_delay', sign='none', reason='none', amount=0.05),
    FaultCase(name='joints_reorder', sign='none', reason='none', target='both'),
    FaultCase(name='joints_clock_jump', sign='ahead', target='follower_right'),
    FaultCase(name='joints_clock_jump', sign='age', amount=-1.0),
    FaultCase(name='joints_minus_pi', sign='age', reason='joint_states_implausible'),
    FaultCase(name='joints_nan', sign='age', reason='joint_states_implausible',
              target='follower_right'),
    FaultCase(name='motor_error', sign='poll', reason='motor_error', seed=WAIST_SEED),
    FaultCase(name='torque_off', sign='poll', reason='torque_off', seed=WAIST_SEED,
              target='follower_right'),
    FaultCase(name='mode_change', sign='poll', reason='driver_mode'),
    FaultCase(name='driver_crash', sign='age', target='follower_right'),
    FaultCase(name='services_lost', sign='unanswered', reason='driver_dead'),
    _camera('camera_drop'), _camera('camera_freeze'), _camera('camera_repeat'),
    _camera('camera_delay'), _camera('camera_clock_jump'),
    FaultCase(name='foreign_commander', sign='look', reason='foreign_commander'),
    FaultCase(name='emergency_stop', sign='told', reason='emergency_stop', target=''),
    # The policy node remembers how slow inference was, and pauses; the next one starts it anew.
    FaultCase(name='missing_chunk', sign='end', reason='chunk_missing', target=''),
    FaultCase(name='policy_death', sign='silence', reason='policy_dead', target=''))
