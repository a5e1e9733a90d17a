# SPDX-License-Identifier: Apache-2.0
"""Make the policy that the parameters name."""

from __future__ import annotations

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.nodes.parameters import PolicyNodeParameters
from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.policy.protocol import Policy
from cosmos_policy_ros.robot.motion_settings import Strategy
from cosmos_policy_ros.spec.robot import RobotSpec


def load_policy(parameters: PolicyNodeParameters, robot: RobotSpec) -> Policy:
    """Load the model, connect to the remote one, or build the scripted expert.

    Raises:
        CosmosPolicyError: If the checkpoint or server cannot be used, with the reason.
    """
    if parameters.policy == 'scripted':
        from cosmos_policy_ros.simulation.expert_policy import ScriptedExpertPolicy
        return ScriptedExpertPolicy(robot)
    if parameters.policy == 'sway':
        from cosmos_policy_ros.policy.sway_policy import SwayPolicy
        return SwayPolicy(robot)
    if parameters.backend == 'remote':
        from cosmos_policy_ros.policy.remote.client import RemotePolicy
        return RemotePolicy(parameters.server_url, token=parameters.server_token,
                            timeout_s=parameters.server_timeout_s)
    # Torch takes seconds to import; the others do without it.
    from cosmos_policy_ros.policy.device import choose_device, limit_threads
    limit_threads(parameters.torch_threads)
    # The machines of a cluster know best what `auto` is there.
    device = (parameters.device if parameters.num_workers and parameters.ray_address
              else str(choose_device(parameters.device)))
    if parameters.num_workers:
        return _ray_planner(parameters, device)
    from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy
    return CosmosPolicy.load(
        parameters.checkpoint, planning_checkpoint=parameters.planning_checkpoint or None,
        device=choose_device(device))


def _ray_planner(parameters: PolicyNodeParameters, device: str) -> Policy:
    from cosmos_policy_ros.policy.ray_planner import RayPlannerPolicy
    from cosmos_policy_ros.policy.ray_workers import WorkerSettings
    return RayPlannerPolicy(
        parameters.num_workers,
        WorkerSettings(
            checkpoint=parameters.checkpoint,
            planning_checkpoint=parameters.planning_checkpoint or None,
            device=device, num_threads=parameters.torch_threads),
        address=parameters.ray_address or None)


def check_task(policy: Policy, task: str) -> None:
    """Refuse a task that the policy was not given text embeddings for.

    Raises:
        ConfigurationError: If the policy does not know the task; the text lists those it knows.
    """
    if policy.known_tasks is not None and task not in policy.known_tasks:
        raise ConfigurationError(
            f'unknown task {task!r}; policy {policy.name!r} knows: '
            f'{", ".join(map(repr, policy.known_tasks))}')


def check_mode(policy: Policy, parameters: PolicyNodeParameters) -> str:
    """Refuse planning where it cannot work.

    Returns:
        A warning where planning works but its values mean nothing; else an empty text.

    Raises:
        ConfigurationError: If the policy cannot plan, parameters contradict each other, or the
            value was not trained and `untrained_value` says refuse.
    """
    settings = planning_settings(parameters)
    is_remote = parameters.policy == 'cosmos' and parameters.backend == 'remote'
    if is_remote and parameters.planning_deadline_s >= parameters.server_timeout_s:
        raise ConfigurationError(
            f'planning_deadline_s is {parameters.planning_deadline_s}; it must be below '
            f'server_timeout_s, {parameters.server_timeout_s}')
    if parameters.mode != 'planning':
        return ''
    if not policy.can_plan:
        raise ConfigurationError(
            f'mode is planning, but policy {policy.name!r} cannot plan; allowed is direct')
    trained = getattr(policy, 'trained_values', ())
    if settings.is_joint or settings.value_kind in trained:
        return ''
    text = (f'policy {policy.name!r} was not trained for the value {settings.value_kind!r} '
            f'(trained: {", ".join(trained) or "none"}): its choice of a chunk means nothing')
    if parameters.untrained_value == 'refuse':
        raise ConfigurationError(text)
    return text


def check_strategy(policy: Policy, parameters: PolicyNodeParameters) -> None:
    """Refuse chunks that begin with given actions where the policy cannot make them.

    Raises:
        ConfigurationError: If the strategy is `prefix_conditioned` and the policy cannot continue.
    """
    is_asked = parameters.strategy == Strategy.PREFIX_CONDITIONED.value
    if is_asked and not getattr(policy, 'can_continue', False):
        raise ConfigurationError(
            f'strategy is prefix_conditioned, but policy {policy.name!r} cannot begin a chunk '
            'with given actions; allowed is async_blend, blocking, temporal_ensemble')


def planning_settings(
    parameters: PolicyNodeParameters, *, seed: int | None = None,
    uncertainty: float | None = None,
) -> PlanningSettings:
    """Return the settings of a planning query.

    Args:
        parameters: The node's parameters.
        seed: Seed of the query; None for that of the parameters.
        uncertainty: How wrong the last prediction was; None if it is not known.

    Raises:
        ConfigurationError: If two parameters contradict each other.
    """
    return PlanningSettings(
        num_candidates=parameters.num_candidates,
        candidate_spread=parameters.candidate_spread,
        imagination_seed=(None if not parameters.common_noise else
                          parameters.seed if seed is None else seed),
        is_joint=parameters.is_joint,
        value_kind=parameters.value_kind, num_futures=parameters.num_futures,
        num_values=parameters.num_values,
        num_denoising_steps_action=parameters.denoising_steps__action,
        num_denoising_steps_future=parameters.denoising_steps__future,
        num_denoising_steps_value=parameters.denoising_steps__value,
        aggregation=parameters.value_aggregation, search_depth=parameters.search_depth,
        depth_aggregation=parameters.depth_aggregation,
        deadline_s=parameters.planning_deadline_s, max_batch=parameters.max_batch,
        agree_threshold=parameters.agree_threshold, uncertainty=uncertainty,
        uncertainty_threshold=parameters.uncertainty_threshold)
