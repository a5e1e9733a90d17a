# SPDX-License-Identifier: Apache-2.0
"""Which arm comes first in the joint vectors of a policy and of a robot."""

from __future__ import annotations

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.policy.protocol import Policy
from cosmos_policy_ros.spec.robot import RobotSpec


def check_arm_order(policy: Policy, robot: RobotSpec) -> None:
    """Refuse a policy whose left arm would be this robot's right one.

    Raises:
        ConfigurationError: If the joint vectors of the policy have the arms in another order.
    """
    learned = getattr(policy, 'arm_order', ())
    order = tuple(arm.side for arm in robot.arms)
    if learned and learned != order:
        raise ConfigurationError(
            f'policy {policy.name!r} learned from joint vectors with the arms in the order '
            f'{", ".join(learned)}; robot {robot.name!r} has {", ".join(order)}, which would '
            'exchange the arms. Choose another robot preset or checkpoint')
