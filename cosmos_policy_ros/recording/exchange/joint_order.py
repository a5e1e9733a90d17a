# SPDX-License-Identifier: Apache-2.0
"""From the joint order and camera names of a file to ours: left arm first, `cam_` names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.spec.aloha import ALOHA, ALOHA_2_0

JOINT_ORDERS = ('auto', 'left_first', 'right_first')
_OTHER_CAMERA_NAMES = {
    'camera_high': 'cam_high', 'camera_low': 'cam_low', 'camera_wrist_left': 'cam_left_wrist',
    'camera_wrist_right': 'cam_right_wrist', 'top': 'cam_high'}


def joint_indices(names: Sequence[str] | None, order: str, place: str) -> np.ndarray:
    """Return the indices that bring the columns of a file into our order. Shape (14,).

    Args:
        names: Joint names that the file gives; None if it gives none.
        order: `auto` believes the names, and takes left first without names; `left_first` and
            `right_first` say what the data are, whatever the names say.
        place: File and field, for error texts.

    Raises:
        RecordingError: If the order is unknown, or the names are not those of an ALOHA.
    """
    if order not in JOINT_ORDERS:
        raise RecordingError(
            f'joint order is {order!r}; allowed are {", ".join(JOINT_ORDERS)}')
    if order == 'auto' and names is not None:
        return _by_name(list(names), place)
    return _by_name(list((ALOHA_2_0 if order == 'right_first' else ALOHA).joint_names), place)


def camera_name(name: str, place: str) -> str:
    """Return our name of a camera.

    Raises:
        RecordingError: If it is none of an ALOHA.
    """
    known = [camera.name for camera in ALOHA.cameras]
    ours = _OTHER_CAMERA_NAMES.get(name, name)
    if ours not in known:
        raise RecordingError(f'{place}: camera is {name!r}; known are '
                             f'{", ".join([*known, *_OTHER_CAMERA_NAMES])}')
    return ours


def _by_name(names: list[str], place: str) -> np.ndarray:
    if sorted(names) != sorted(ALOHA.joint_names):
        raise RecordingError(f'{place}: joints are {", ".join(names)}; expected in any order '
                             f'{", ".join(ALOHA.joint_names)}')
    return np.array([names.index(name) for name in ALOHA.joint_names])
