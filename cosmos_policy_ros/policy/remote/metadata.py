# SPDX-License-Identifier: Apache-2.0
"""What a policy server says about itself when a client connects."""

from __future__ import annotations

from dataclasses import dataclass

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.policy.protocol import Policy
from cosmos_policy_ros.policy.remote.records import record_from_wire


@dataclass(frozen=True, kw_only=True)
class PolicyMetadata:
    """The attributes of the `Policy` that is served; they travel under these names.

    Attributes:
        name: As `Policy.name`.
        is_trained: As `Policy.is_trained`.
        known_tasks: As `Policy.known_tasks`.
        camera_names: As `Policy.camera_names`.
        chunk_size: As `Policy.chunk_size`.
        can_plan: As `Policy.can_plan`.
        can_continue: As `Policy` tells; false for a policy that does not say.
        trained_values: As `CosmosPolicy.trained_values`; empty for a policy without.
        arm_order: As `CosmosPolicy.arm_order`; empty for a policy without.
        max_message_bytes: Largest message that the server reads.

    Raises:
        ConfigurationError: If a name is empty or a size not positive.
    """

    name: str
    is_trained: bool
    known_tasks: tuple[str, ...] | None
    camera_names: tuple[str, ...]
    chunk_size: int
    can_plan: bool
    can_continue: bool
    trained_values: tuple[str, ...]
    arm_order: tuple[str, ...]
    max_message_bytes: int

    def __post_init__(self) -> None:
        if not (self.name and self.camera_names and self.chunk_size > 0
                and self.max_message_bytes > 0):
            raise ConfigurationError(
                'a policy has a name, at least one camera and positive sizes, unlike '
                f'{self.name!r} with the cameras {self.camera_names}, chunks of '
                f'{self.chunk_size} and messages of {self.max_message_bytes} bytes')


def metadata_of(policy: Policy, *, max_message_bytes: int) -> PolicyMetadata:
    """Describe a policy."""
    return PolicyMetadata(
        name=policy.name, is_trained=policy.is_trained, known_tasks=policy.known_tasks,
        camera_names=policy.camera_names, chunk_size=policy.chunk_size,
        can_plan=policy.can_plan, can_continue=getattr(policy, 'can_continue', False),
        trained_values=getattr(policy, 'trained_values', ()),
        arm_order=getattr(policy, 'arm_order', ()),
        max_message_bytes=max_message_bytes)


def metadata_from_wire(message: object) -> PolicyMetadata:
    """Read a map that was received.

    Raises:
        ConfigurationError: If it does not describe a policy like ours.
    """
    return record_from_wire(
        PolicyMetadata, message, what='the metadata', error=ConfigurationError)
