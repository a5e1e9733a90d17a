# SPDX-License-Identifier: Apache-2.0
"""What passes between a driver and the motors of one arm: readings up, goals down.

Both list the arm's joints in order, then the gripper motor: N = 7 on ALOHA.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class MotorReadings:
    """What the motors of one arm measure.

    Attributes:
        positions_rad: Shaft angles in [rad]. Shape (N,).
        velocities_rad_s: Shaft speeds in [rad/s]. Shape (N,).
        efforts_ma: Currents in [mA]. Shape (N,).
    """

    positions_rad: np.ndarray
    velocities_rad_s: np.ndarray
    efforts_ma: np.ndarray


@dataclass(frozen=True, kw_only=True)
class MotorGoals:
    """What the motors of one arm aim at.

    Attributes:
        positions_rad: Angles to hold in [rad]. Shape (N,).
        ceilings_ma: Largest current in [mA] each motor may spend on it; 0 is limp, infinity is the
            motor's own strength. Shape (N,).
    """

    positions_rad: np.ndarray
    ceilings_ma: np.ndarray
