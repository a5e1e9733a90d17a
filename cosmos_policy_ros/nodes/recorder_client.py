# SPDX-License-Identifier: Apache-2.0
"""What somebody at a terminal does with the recorder."""

from __future__ import annotations

from std_msgs.msg import String

from cosmos_policy_ros.nodes import qos
from cosmos_policy_ros.nodes.interfaces import BeginBatch, RecorderStatusMsg
from cosmos_policy_ros.nodes.operator import Operator
from cosmos_policy_ros.recording.session_plan import SessionPlan

RECORDER = '/recorder_node'


class RecorderClient(Operator):
    """An operator who also begins batches and hears the cues.

    Attributes:
        cues: What the recorder has said and nobody has taken yet, oldest first.
    """

    def __init__(self, *, domain_id: int | None = None) -> None:
        """Join the ROS graph of `domain_id`; None takes the environment's."""
        super().__init__(domain_id=domain_id)
        self.cues: list[str] = []
        self._node.create_subscription(
            String, f'{RECORDER}/cue', lambda msg: self.cues.append(msg.data), qos.CHUNK)

    @property
    def recorder(self) -> RecorderStatusMsg | None:
        """The newest status of the recorder; None before the first."""
        return self.status.get('recorder_node')

    def begin_batch(self, plan: SessionPlan, *, task: str, operator_name: str) -> None:
        """Begin a batch.

        Args:
            plan: What to record.
            task: Text of the task; empty keeps the recorder's.
            operator_name: Who drives; empty keeps the recorder's.

        Raises:
            RobotError: If the recorder is absent or refuses; with its reason.
        """
        self._call(BeginBatch, f'{RECORDER}/begin_batch', BeginBatch.Request(
            num_episodes=plan.num_episodes, episode_s=plan.episode_s, warm_up_s=plan.warm_up_s,
            reset_s=plan.reset_s, start_alone=plan.starts_alone,
            re_record_bad=plan.re_records_bad, task=task, operator_name=operator_name), 10.0)

    def do(self, service: str) -> str:
        """Call one of the recorder's services without arguments and return its message.

        Raises:
            RobotError: If the recorder is absent or refuses; with its reason.
        """
        return self.trigger(f'{RECORDER}/{service}')
