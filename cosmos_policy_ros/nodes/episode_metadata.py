# SPDX-License-Identifier: Apache-2.0
"""What the recorder writes into an episode besides its messages."""

from __future__ import annotations

from rclpy.node import Node

from cosmos_policy_ros import __version__
from cosmos_policy_ros.diffusion.checkpoint_paths import find_checkpoint
from cosmos_policy_ros.errors import CheckpointError
from cosmos_policy_ros.nodes.parameters import RecorderNodeParameters
from cosmos_policy_ros.recording.episode import EpisodeMetadata
from cosmos_policy_ros.recording.fingerprint import fingerprint


class EpisodeDescriber:
    """Describes episodes; each checkpoint is looked at once."""

    def __init__(self, node: Node) -> None:
        """Begin without a known checkpoint."""
        self._node = node
        self._identities = {'': ''}

    def describe(self, params: RecorderNodeParameters, started_ns: int) -> EpisodeMetadata:
        """Return the metadata of an episode that starts at a time in [ns]."""
        return EpisodeMetadata(
            task=params.task, robot=params.robot, mode=params.mode, checkpoint=params.checkpoint,
            checkpoint_id=self._identity(params.checkpoint), operator=params.operator_name,
            seed=None if params.seed < 0 else params.seed, software_version=__version__,
            started_ns=started_ns)

    def _identity(self, checkpoint: str) -> str:
        if checkpoint not in self._identities:
            try:
                self._identities[checkpoint] = fingerprint(find_checkpoint(checkpoint))
            except (CheckpointError, OSError) as error:
                self._node.get_logger().warning(
                    f'episodes will not tell which files checkpoint {checkpoint!r} is: {error}')
                self._identities[checkpoint] = ''
        return self._identities[checkpoint]
