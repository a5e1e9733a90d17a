# SPDX-License-Identifier: Apache-2.0
"""Which policy a run in closed loop is about, as a value that goes to other processes."""

from __future__ import annotations

from dataclasses import dataclass

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.policy.arm_order import check_arm_order
from cosmos_policy_ros.policy.protocol import Policy
from cosmos_policy_ros.simulation.expert_policy import ScriptedExpertPolicy
from cosmos_policy_ros.simulation.simulated_aloha import SimulatedAloha
from cosmos_policy_ros.simulation.transfer_cube import TransferCube
from cosmos_policy_ros.spec.robot import RobotSpec

SCRIPTED = 'scripted'
KINDS = ('cosmos', SCRIPTED)


@dataclass(frozen=True, kw_only=True)
class PolicySource:
    """What to load.

    Attributes:
        kind: `cosmos` (a checkpoint) or `scripted` (the expert of the simulation).
        checkpoint: Folder of a checkpoint, or the name of one in models/.
        planning_checkpoint: The same of the model that imagines and values; empty for none.
        device: Torch device, or `auto`.
        num_threads: Threads of torch.

    Raises:
        ConfigurationError: If there is no such kind.
    """

    kind: str = 'cosmos'
    checkpoint: str = 'aloha_small'
    planning_checkpoint: str = ''
    device: str = 'auto'
    num_threads: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigurationError(f'policy is {self.kind!r}; allowed is {", ".join(KINDS)}')

    def load(self, robot: RobotSpec, task: str, simulation: SimulatedAloha) -> Policy:
        """Load the policy.

        Args:
            robot: The robot.
            task: Name of the simulated task.
            simulation: Tells the expert where objects are that it cannot see.

        Raises:
            CosmosPolicyError: If the checkpoint cannot be used, does not know the task, or has
                the arms in another order than the robot.
        """
        if self.kind == SCRIPTED:
            poses = None if task == TransferCube.name else simulation.object_poses
            return ScriptedExpertPolicy(robot, task=task, object_poses=poses)
        # Torch takes seconds to import; the expert does without it.
        from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy
        from cosmos_policy_ros.policy.device import choose_device, limit_threads
        limit_threads(self.num_threads)
        policy = CosmosPolicy.load(
            self.checkpoint, planning_checkpoint=self.planning_checkpoint or None,
            device=choose_device(self.device))
        if simulation.task_text not in policy.known_tasks:
            raise ConfigurationError(
                f'policy {policy.name!r} does not know the task {simulation.task_text!r}; it '
                f'knows {", ".join(map(repr, policy.known_tasks))}')
        check_arm_order(policy, robot)
        return policy
