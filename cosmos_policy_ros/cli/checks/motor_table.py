# SPDX-License-Identifier: Apache-2.0
"""The nine motors of an ALOHA arm as the vendor configures them.

IDs, models and drive modes: Interbotix motor configurations and kit lists. Shoulder and elbow
have a second motor, the shadow, which acts on the packets of the first through its Secondary_ID.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

ArmKind = Literal['follower', 'leader']

XM430_W350, XM540_W270, XL430_W250, XC430_W150 = 1020, 1120, 1060, 1070
MODEL_NAMES = {XM430_W350: 'XM430-W350', XM540_W270: 'XM540-W270', XL430_W250: 'XL430-W250',
               XC430_W150: 'XC430-W150'}
NO_SECONDARY_ID = 255
_JOINTS = ('waist', 'shoulder', 'shoulder shadow', 'elbow', 'elbow shadow', 'forearm_roll',
           'wrist_angle', 'wrist_rotate', 'gripper')
_MAIN_OF_SHADOW = {3: 2, 5: 4}


@dataclass(frozen=True, kw_only=True)
class ExpectedMotor:
    """One motor of an arm.

    Attributes:
        id: Its ID on the bus.
        joint: The joint that it moves; shadows say so.
        model: Its model number.
        drive_mode: Direction bits of its Drive_Mode register: 0 normal, 1 reverse.
        main_id: ID of the motor that it shadows; None for all others.
    """

    id: int
    joint: str
    model: int
    drive_mode: int
    main_id: int | None

    @property
    def label(self) -> str:
        """Joint and ID, as the report names the motor."""
        return f'{self.joint} (id {self.id})'

    @property
    def secondary_id(self) -> int:
        """Value of its Secondary_ID register."""
        return NO_SECONDARY_ID if self.main_id is None else self.main_id


def model_name(model: int) -> str:
    """Name of a model number."""
    return MODEL_NAMES.get(model, f'motor of model number {model}')


def _arm(models: Sequence[int], drive_modes: Sequence[int]) -> tuple[ExpectedMotor, ...]:
    return tuple(
        ExpectedMotor(id=motor_id, joint=joint, model=model, drive_mode=drive_mode,
                      main_id=_MAIN_OF_SHADOW.get(motor_id))
        for motor_id, (joint, model, drive_mode) in enumerate(
            zip(_JOINTS, models, drive_modes), start=1))


ARMS: dict[ArmKind, tuple[ExpectedMotor, ...]] = {
    'follower': _arm([XM540_W270] * 7 + [XM430_W350] * 2, (0, 1, 0, 1, 0, 0, 1, 0, 0)),
    'leader': _arm([XM430_W350] * 7 + [XL430_W250, XC430_W150], (0, 0, 1, 0, 1, 0, 1, 0, 0)),
}
