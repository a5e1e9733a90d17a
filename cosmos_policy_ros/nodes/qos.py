# SPDX-License-Identifier: Apache-2.0
"""Named QoS profiles."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def _profile(depth: int, *, reliable: bool, latched: bool = False) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE)


# A best-effort subscription matches every publisher, and an old image is worth nothing.
NEWEST_IMAGE = _profile(1, reliable=False)
NEWEST_STATE = _profile(1, reliable=False)
# The vendor's scripts subscribe reliably, so a simulated camera has to publish reliably.
CAMERA = _profile(5, reliable=True)
DRIVER = _profile(10, reliable=True)
CHUNK = _profile(5, reliable=True)
STATUS = _profile(1, reliable=True, latched=True)
# The first hears every reliable button; the second what a latched one said before we listened.
EMERGENCY_STOP = (CHUNK, STATUS)
