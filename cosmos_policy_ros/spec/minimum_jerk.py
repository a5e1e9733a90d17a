# SPDX-License-Identifier: Apache-2.0
"""The course of a motion from rest to rest with the least jerk."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

T = TypeVar('T', float, np.ndarray)


def minimum_jerk(share: T) -> T:
    """Return the share of the way that is done (Flash and Hogan 1985, eq. 6).

    Args:
        share: Share of the time that has passed, from 0 to 1; a number or an array of any shape.
    """
    return share**3 * (10 - 15 * share + 6 * share**2)
