# SPDX-License-Identifier: Apache-2.0
"""policy_node whose plans are shared by two processes: switched on and off while it answers."""

import pytest
from rclpy.parameter import Parameter
from test_policy_node import Robot

from cosmos_policy_ros.nodes.interfaces import ActionChunkMsg, PlanMsg
from cosmos_policy_ros.nodes.policy_node import PolicyNode

pytest.importorskip('ray')
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_two_workers_share_a_plan_and_direct_mode_comes_back(ros):
    robot = Robot(ros)
    chunks = ros.collect(robot.node, ActionChunkMsg, '/policy_node/action_chunk')
    plans = ros.collect(robot.node, PlanMsg, '/policy_node/plan')
    node = ros.add(PolicyNode(**ros.parameters(
        num_workers=2, device='cpu', mode='planning', num_candidates=3,
        autostart='active', start_on_activate=True, execution_horizon=5,
        **{'denoising_steps.action': 1})))
    ros.spin_until(lambda: plans, 'a plan of two workers', timeout_s=90)
    assert len(plans[0].candidates) == 3
    node.set_parameters([Parameter('mode', value='direct')])
    ros.spin_until(lambda: chunks[-1].mode == 'direct', 'a direct chunk', timeout_s=30)
