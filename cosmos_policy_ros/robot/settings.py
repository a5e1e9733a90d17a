# SPDX-License-Identifier: Apache-2.0
"""What an operator may choose: how fresh inputs must be and how carefully the arms move."""

from __future__ import annotations

from dataclasses import dataclass
import math

from cosmos_policy_ros.errors import ConfigurationError

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class FreshnessLimits:
    """How old and how far apart the parts of an observation may be.

    Attributes:
        max_joint_age_s: Oldest joint state in [s].
        max_image_age_s: Oldest image in [s].
        max_image_skew_s: Largest distance between the stamps of two cameras in [s].
        future_tolerance_s: How far a stamp may lie ahead of the clock in [s].
        max_identical_images: How many images with new stamps but the same content may follow one
            another; 0 allows any number, for cameras without noise.

    Raises:
        ConfigurationError: If a duration is not positive and finite, or the count is negative.
    """

    max_joint_age_s: float = 0.05
    max_image_age_s: float = 0.2
    max_image_skew_s: float = 0.1
    future_tolerance_s: float = 0.02
    max_identical_images: int = 3

    def __post_init__(self) -> None:
        require_positive(self, 'max_joint_age_s', 'max_image_age_s', 'max_image_skew_s',
                         'future_tolerance_s')
        if self.max_identical_images < 0:
            raise ConfigurationError(
                f'max_identical_images is {self.max_identical_images}; allowed is 0 or more')


@dataclass(frozen=True, kw_only=True)
class ArmSettings:
    """How the arm controller moves, and when it stops.

    Attributes:
        control_rate_hz: Rate of the commands in [Hz].
        max_joint_age_s: Oldest joint state in [s] with which the arms may move.
        future_tolerance_s: How far a joint state's stamp may lie ahead of the clock in [s].
        position_margin_rad: Distance kept from the limits of the arm joints in [rad].
        velocity_scale: Share of the joints' speed limits that is used, in (0, 1].
        max_following_error_rad: Largest distance between command and measurement in [rad].
        following_error_time_s: How long that distance may be exceeded in [s].
        max_start_gap_rad: Distance from the measured pose to the first action in [rad] above
            which the arms approach it slowly.
        refused_start_gap_rad: Distance in [rad] above which the arms do not start at all.
        soft_start_speed_rad_s: Speed of the slow approach in [rad/s].
        dry_run: Whether the commands go nowhere, so that the arms need not follow them.

    Raises:
        ConfigurationError: If a value is not positive and finite, or the refused gap is not above
            the start gap. Margin and scale are checked against the robot by `SafetyLimits`.
    """

    control_rate_hz: float = 50.0
    max_joint_age_s: float = 0.05
    future_tolerance_s: float = 0.02
    position_margin_rad: float = 0.02
    velocity_scale: float = 0.5
    max_following_error_rad: float = 0.5
    following_error_time_s: float = 0.3
    max_start_gap_rad: float = 0.1
    refused_start_gap_rad: float = 1.0
    soft_start_speed_rad_s: float = 0.5
    dry_run: bool = False

    def __post_init__(self) -> None:
        require_positive(
            self, 'control_rate_hz', 'max_joint_age_s', 'future_tolerance_s',
            'max_following_error_rad', 'following_error_time_s', 'max_start_gap_rad',
            'refused_start_gap_rad', 'soft_start_speed_rad_s')
        if self.refused_start_gap_rad <= self.max_start_gap_rad:
            raise ConfigurationError(
                f'refused_start_gap_rad is {self.refused_start_gap_rad}; it must be above '
                f'max_start_gap_rad, {self.max_start_gap_rad}')


def require_positive(settings: object, *names: str) -> None:
    """Refuse settings of which a named one is not a positive, finite number.

    Raises:
        ConfigurationError: Naming the first such setting, its value and what is allowed.
    """
    for name in names:
        value = getattr(settings, name)
        if not (math.isfinite(value) and value > 0):
            raise ConfigurationError(f'{name} is {value}; allowed is a positive, finite number')
