# SPDX-License-Identifier: Apache-2.0
"""A driver with motors that do at once what they aim at, for tests of the driver alone."""

import numpy as np

from cosmos_policy_ros.simulation.motor_signals import MotorReadings
from cosmos_policy_ros.simulation.xs_driver import XsDriver
from cosmos_policy_ros.spec.aloha import ALOHA

ARM = ALOHA.arms[0]


def readings_at(positions):
    """Readings of motors at rest. Shape of `positions` (7,)."""
    return MotorReadings(positions_rad=np.array(positions, dtype=float),
                         velocities_rad_s=np.zeros(7), efforts_ma=np.zeros(7))


class FollowingArm:
    """A driver whose motors do at once what they aim at, and everything it logged."""

    def __init__(self, **options):
        self.logged = []
        self.driver = XsDriver(ARM, log=lambda level, text: self.logged.append((level, text)),
                               **options)
        self.positions = np.array([*ARM.start_rad, 1.0])
        self.driver.rest_at(readings_at(self.positions))
        self.now_ns = 0

    def run(self, duration_s, period_ns=4_000_000):
        """Let time pass; return the positions after each tick. Shape (ticks, 7)."""
        track = []
        for _ in range(round(duration_s * 1e9 / period_ns)):
            self.now_ns += period_ns
            goals = self.driver.step(
                self.now_ns, readings_at(self.positions), period_ns / 1e9)
            self.positions = np.where(goals.ceilings_ma > 0, goals.positions_rad, self.positions)
            track.append(self.positions)
        return np.array(track)

    def set_mode(self, cmd_type, name, mode, *, profile_type='velocity', velocity=0,
                 acceleration=0):
        """Change a mode and let the driver finish doing so."""
        self.driver.set_operating_modes(
            self.now_ns, cmd_type, name, mode=mode, profile_type=profile_type,
            profile_velocity=velocity, profile_acceleration=acceleration)
        self.run(0.4)

    def register(self, joint, name):
        """Read one register of one joint."""
        return self.driver.get_motor_registers('single', joint, name)[0]

    def levels(self):
        """Levels logged so far."""
        return [level for level, _ in self.logged]
