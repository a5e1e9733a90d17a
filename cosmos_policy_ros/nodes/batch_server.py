# SPDX-License-Identifier: Apache-2.0
"""Batches of episodes as a service and as an action."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import time

from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.parameter import Parameter

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.nodes.interfaces import BeginBatch, RecordBatch
from cosmos_policy_ros.nodes.waiting import wait_until
from cosmos_policy_ros.recording.health import Judgement
from cosmos_policy_ros.recording.session import RESTING, Session
from cosmos_policy_ros.recording.session_plan import SessionPlan

FEEDBACK_PERIOD_S = 0.5


class BatchServer:
    """The service `~/begin_batch` and the action `~/record_batch`.

    A goal ends with its batch; cancelling it ends the batch after the running episode.
    """

    def __init__(self, node: Node, session: Session, *, begin: Callable[[SessionPlan], None],
                 end: Callable[[], None], group: CallbackGroup) -> None:
        """Advertise both.

        Args:
            node: The recorder.
            session: Its session, which is only looked at.
            begin: Begins a batch; raises RecordingError if it cannot.
            end: Ends it; raises RecordingError if none is running.
            group: A reentrant group.
        """
        self._node, self._session = node, session
        self._begin, self._end = begin, end
        self._verdicts: dict[str, str] = {}
        node.create_service(BeginBatch, '~/begin_batch', self._on_begin, callback_group=group)
        ActionServer(node, RecordBatch, '~/record_batch', self._on_goal, callback_group=group,
                     cancel_callback=lambda goal: CancelResponse.ACCEPT)

    def note_saved(self, episode: Path, judgement: Judgement) -> None:
        """Count an episode that is on disk."""
        self._verdicts[str(episode)] = judgement.verdict.value

    def note_set_aside(self, episode: Path) -> None:
        """Count an episode no more."""
        self._verdicts.pop(str(episode), None)

    def _on_begin(
        self, request: BeginBatch.Request, response: BeginBatch.Response,
    ) -> BeginBatch.Response:
        try:
            self._begin_from(request)
        except RecordingError as error:
            response.success, response.message = False, str(error)
        else:
            response.success, response.message = True, f'{request.num_episodes} episodes'
        return response

    async def _on_goal(self, goal: ServerGoalHandle) -> RecordBatch.Result:
        result = RecordBatch.Result()
        try:
            self._begin_from(goal.request)
            await self._follow(goal)
        except RecordingError as error:
            goal.abort()
            result.message = str(error)
            return result
        result.episodes, result.verdicts = list(self._verdicts), list(self._verdicts.values())
        result.message = f'{len(self._verdicts)} of {goal.request.num_episodes} recorded'
        if goal.is_cancel_requested:
            goal.canceled()
        elif len(self._verdicts) < goal.request.num_episodes:
            goal.abort()
        else:
            goal.succeed()
        return result

    async def _follow(self, goal: ServerGoalHandle) -> None:
        is_ending = False
        while self._session.phase not in RESTING:
            if goal.is_cancel_requested and not is_ending:
                is_ending = True
                self._end()
            goal.publish_feedback(RecordBatch.Feedback(
                state=self._session.phase.value, recorded=self._session.num_recorded,
                time_left_s=self._session.time_left_s(time.monotonic_ns())))
            await wait_until(self._node, lambda: self._session.phase in RESTING,
                             timeout_s=FEEDBACK_PERIOD_S)

    def _begin_from(self, request: BeginBatch.Request | RecordBatch.Goal) -> None:
        plan = SessionPlan(
            num_episodes=request.num_episodes, episode_s=request.episode_s,
            warm_up_s=request.warm_up_s, reset_s=request.reset_s,
            starts_alone=request.start_alone, re_records_bad=request.re_record_bad)
        if self._session.phase not in RESTING:
            raise RecordingError(
                f'a batch can begin only at rest; the recorder is {self._session.phase.value}')
        self._node.set_parameters([
            Parameter(name, value=value) for name in ('task', 'operator_name')
            if (value := getattr(request, name))])
        self._verdicts = {}
        self._begin(plan)
