# SPDX-License-Identifier: Apache-2.0
"""A policy never drives the left arm by the numbers of the right one."""

from types import SimpleNamespace

import pytest

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.policy.arm_order import check_arm_order
from cosmos_policy_ros.spec.aloha import ALOHA, ALOHA_2_0

LEFT_FIRST = SimpleNamespace(name='folding', arm_order=('left', 'right'))
RIGHT_FIRST = SimpleNamespace(name='folding', arm_order=('right', 'left'))


@pytest.mark.parametrize('policy, robot', [(LEFT_FIRST, ALOHA_2_0), (RIGHT_FIRST, ALOHA)])
def test_a_policy_of_the_other_order_is_refused(policy, robot):
    with pytest.raises(ConfigurationError, match="'folding'.*exchange the arms"):
        check_arm_order(policy, robot)


@pytest.mark.parametrize('policy', [
    LEFT_FIRST, SimpleNamespace(name='unknown', arm_order=()), SimpleNamespace(name='silent')])
def test_a_policy_of_the_same_or_of_no_known_order_is_accepted(policy):
    check_arm_order(policy, ALOHA)
