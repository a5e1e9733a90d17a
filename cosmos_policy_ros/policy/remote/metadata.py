# SPDX-License-Identifier: Apache-2.0
"""What a policy server says about itself when a client connects."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.policy.protocol import Policy
from cosmos_policy_ros.policy.remote.fields import Fields


@dataclass(frozen=True, kw_only=True)
class PolicyMetadata:
    """The attributes of the `Policy` that is served; they travel under these names.

    Attributes:
        name: As `Policy.name`.
        is_trained: As `Policy.is_trained`.
        known_tasks: As `Policy.known_tasks`.
        camera_names: As `Policy.camera_names`.
        chunk_size: As `Policy.chunk_size`.
        max_message_bytes: Largest message that the server reads.
    """

    name: str
    is_trained: bool
    known_tasks: tuple[str, ...] | None
    camera_names: tuple[str, ...]
    chunk_size: int
    max_message_bytes: int


def metadata_of(policy: Policy, *, max_message_bytes: int) -> PolicyMetadata:
    """Describe a policy."""
    return PolicyMetadata(
        name=policy.name, is_trained=policy.is_trained, known_tasks=policy.known_tasks,
        camera_names=policy.camera_names, chunk_size=policy.chunk_size,
        max_message_bytes=max_message_bytes)


def metadata_to_wire(metadata: PolicyMetadata) -> dict[str, object]:
    """Return the map that is sent."""
    return asdict(metadata)


def metadata_from_wire(message: object) -> PolicyMetadata:
    """Read a map that was received.

    Raises:
        ConfigurationError: If it does not describe a policy like ours.
    """
    fields = Fields('the metadata', message, ConfigurationError)
    return PolicyMetadata(
        name=fields.text('name'), is_trained=fields.flag('is_trained'),
        known_tasks=fields.texts('known_tasks') if fields.has('known_tasks') else None,
        camera_names=fields.texts('camera_names'), chunk_size=fields.integer('chunk_size'),
        max_message_bytes=fields.integer('max_message_bytes'))
