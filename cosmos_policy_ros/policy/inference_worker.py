# SPDX-License-Identifier: Apache-2.0
"""One thread that runs inference: newest request in, one answer out, never blocks the caller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import logging
from threading import Condition, Thread

import numpy as np

from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.policy.protocol import Policy
from cosmos_policy_ros.spec.observation import Observation
from cosmos_policy_ros.spec.prediction import Prediction

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class InferenceRequest:
    """What a policy is asked.

    Attributes:
        observation: What the robot sees.
        seed: Seed of everything random in the answer.
        num_denoising_steps: Denoising steps; None for the policy's own choice.
        with_future_images: Whether to return the imagined images too.
        planning: How to choose among several chunks; None to answer directly.
        committed_actions: Actions that the chunk begins with; None for none, and for a policy
            that cannot continue. Shape (n, A).
    """

    observation: Observation
    seed: int
    num_denoising_steps: int | None = None
    with_future_images: bool = False
    planning: PlanningSettings | None = None
    committed_actions: np.ndarray | None = None

    @property
    def options(self) -> dict[str, object]:
        """Arguments of `Policy.predict` by name; only what is asked for of what is optional."""
        options = {'num_denoising_steps': self.num_denoising_steps,
                   'with_future_images': self.with_future_images, 'planning': self.planning}
        if self.committed_actions is not None:
            options['committed_actions'] = self.committed_actions
        return options


class InferenceWorker:
    """Runs a policy on a thread of its own.

    A request that is still waiting is replaced by a newer one. Callbacks run on the worker's
    thread, outside its lock. Neither a failing policy nor a failing callback ends the thread.

    Args:
        policy: The policy. Only the worker's thread calls its `predict`.
        on_prediction: Called with each request and its prediction.
        on_error: Called with the request and the exception if the policy, or `on_prediction`,
            raised one.
    """

    def __init__(
        self, policy: Policy, *,
        on_prediction: Callable[[InferenceRequest, Prediction], None],
        on_error: Callable[[InferenceRequest, Exception], None],
    ) -> None:
        self._policy = policy
        self._on_prediction = on_prediction
        self._on_error = on_error
        self._condition = Condition()
        self._waiting: InferenceRequest | None = None
        self._running = False
        self._closed = False
        self._thread = Thread(target=self._run, name='inference', daemon=True)
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        """Whether a request is waiting or being answered."""
        with self._condition:
            return self._running or self._waiting is not None

    def submit(self, request: InferenceRequest) -> bool:
        """Ask for a prediction; returns at once.

        Returns:
            Whether the request was accepted; a closed worker accepts none.
        """
        with self._condition:
            if self._closed:
                return False
            self._waiting = request
            self._condition.notify()
            return True

    def cancel(self) -> None:
        """Drop the request that is waiting; one being answered is finished."""
        with self._condition:
            self._waiting = None

    def close(self, timeout_s: float) -> bool:
        """Accept no more requests, drop a waiting one and wait for the thread to end.

        Args:
            timeout_s: Longest wait in [s].

        Returns:
            Whether the thread has ended.
        """
        with self._condition:
            self._closed = True
            self._waiting = None
            self._condition.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (request := self._next_request()) is not None:
            try:
                self._answer(request)
            finally:
                with self._condition:
                    self._running = False

    def _next_request(self) -> InferenceRequest | None:
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._waiting is not None)
            request, self._waiting = self._waiting, None
            self._running = request is not None
            return request

    def _answer(self, request: InferenceRequest) -> None:
        try:
            self._on_prediction(request, self._policy.predict(
                request.observation, request.seed, **request.options))
        except Exception as error:
            self._report(request, error)

    def _report(self, request: InferenceRequest, error: Exception) -> None:
        try:
            self._on_error(request, error)
        except Exception:
            _LOGGER.exception('the error callback of the inference worker failed')
