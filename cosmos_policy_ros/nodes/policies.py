# SPDX-License-Identifier: Apache-2.0
"""Make the policy that the parameters name."""

from __future__ import annotations

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.nodes.parameters import PolicyNodeParameters
from cosmos_policy_ros.policy.protocol import Policy
from cosmos_policy_ros.spec.robot import RobotSpec


def load_policy(parameters: PolicyNodeParameters, robot: RobotSpec) -> Policy:
    """Load the model, or build the scripted expert.

    Raises:
        CosmosPolicyError: If the checkpoint cannot be used, with the reason.
    """
    if parameters.policy == 'scripted':
        from cosmos_policy_ros.simulation.expert_policy import ScriptedExpertPolicy
        return ScriptedExpertPolicy(robot)
    # Torch takes seconds to import; the scripted expert does without it.
    from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy
    from cosmos_policy_ros.policy.device import choose_device, limit_threads
    limit_threads(parameters.torch_threads)
    return CosmosPolicy.load(parameters.checkpoint, device=choose_device(parameters.device))


def check_task(policy: Policy, task: str) -> None:
    """Refuse a task that the policy was not given text embeddings for.

    Raises:
        ConfigurationError: If the policy does not know the task; the text lists those it knows.
    """
    if policy.known_tasks is not None and task not in policy.known_tasks:
        raise ConfigurationError(
            f'unknown task {task!r}; policy {policy.name!r} knows: '
            f'{", ".join(map(repr, policy.known_tasks))}')
