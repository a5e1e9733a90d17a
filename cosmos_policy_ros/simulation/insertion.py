# SPDX-License-Identifier: Apache-2.0
"""The insertion task: a peg in one hand goes into a socket in the other."""

from __future__ import annotations

import mujoco
import numpy as np

from cosmos_policy_ros.simulation.task import bodies_touching, grippers_touching, Task

PEG, SOCKET = 'peg', 'socket'
PEG_HALF_LENGTH_M, SOCKET_HALF_LENGTH_M, PIN_HALF_LENGTH_M = 0.06, 0.06, 0.04
PEG_HEIGHT_M, SOCKET_HEIGHT_M = 0.01, 0.022


class Insertion(Task):
    """The right gripper picks a peg, the left one a socket, and the peg goes in.

    Success is strict: the peg touches the pin at the bottom of the socket, each object is touched
    by its gripper and by no table, for 25 consecutive steps of 20 ms. Both lie unturned, each
    uniformly over 0.1 m by 0.2 m.
    """

    name = 'insertion'
    text = 'insert the peg into the socket'
    scene = 'bimanual_viperx_insertion.xml'
    stages = ('approaching', 'both grippers touch', 'both grippers lift', 'peg touches socket',
              'peg is in the socket')
    object_joints = {PEG: 'red_peg_joint', SOCKET: 'blue_socket_joint'}
    peg_low_m, peg_high_m = (0.1, 0.4), (0.2, 0.6)
    socket_low_m, socket_high_m = (-0.2, 0.4), (-0.1, 0.6)

    def _place(self, data: mujoco.MjData, random: np.random.Generator) -> None:
        peg = random.uniform(self.peg_low_m, self.peg_high_m)
        socket = random.uniform(self.socket_low_m, self.socket_high_m)
        data.joint('red_peg_joint').qpos[:] = [*peg, PEG_HEIGHT_M, 1.0, 0.0, 0.0, 0.0]
        data.joint('blue_socket_joint').qpos[:] = [*socket, SOCKET_HEIGHT_M, 1.0, 0.0, 0.0, 0.0]

    def _judge(self, model: mujoco.MjModel, data: mujoco.MjData) -> tuple[int, bool]:
        peg, socket = (bodies_touching(model, data, body) for body in (PEG, SOCKET))
        _, right = grippers_touching(peg)
        left, _ = grippers_touching(socket)
        table = 'table' in peg | socket
        is_held = left and right and not table
        if not is_held:
            return int(left and right), False
        is_in = _are_touching(model, data, 'red_peg', 'pin')
        return 4 if is_in else 3 if SOCKET in peg else 2, is_in


def _are_touching(
    model: mujoco.MjModel, data: mujoco.MjData, first: str, second: str,
) -> bool:
    wanted = sorted((model.geom(first).id, model.geom(second).id))
    return any(sorted(pair) == wanted for pair in data.contact.geom.tolist())
