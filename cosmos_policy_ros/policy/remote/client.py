# SPDX-License-Identifier: Apache-2.0
"""A policy that runs in another process or machine."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from threading import Lock
import time
from typing import TypeVar
from urllib.parse import urlsplit

import numpy as np

from cosmos_policy_ros.errors import ConfigurationError, ObservationError, PredictionError
from cosmos_policy_ros.policy.inference_worker import InferenceRequest
from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.policy.remote.codec import CodecError, decode, encode
from cosmos_policy_ros.policy.remote.connection import (
    ConnectionLost, server_health, ServerConnection)
from cosmos_policy_ros.policy.remote.metadata import PolicyMetadata
from cosmos_policy_ros.policy.remote.wire import prediction_from_wire, request_to_wire
from cosmos_policy_ros.spec.observation import Observation
from cosmos_policy_ros.spec.prediction import Prediction
from cosmos_policy_ros.spec.stage_timing import StageTiming

_Result = TypeVar('_Result')


class RemotePolicy:
    """Asks a policy server; a `Policy` like any other.

    Connects on construction and waits for the server to load its model. A query that finds the
    connection broken connects once more and asks again, within its time-out. After a query that
    failed, whatever the reason, the next one begins with a new connection.

    The asyncio loop inside runs only while a method does, on the thread that called it. One
    deadline therefore covers connecting, sending and waiting, and nothing is left hanging.

    Args:
        url: Address of the server: `host:port`, `ws://host:port` or `wss://host`.
        token: Token that the server wants; empty for none.
        timeout_s: Longest time that a query may take, in [s].
        connect_timeout_s: Longest wait on construction until the server is ready, in [s].

    Raises:
        ConfigurationError: If the address or the token cannot be used, or no policy server
            answers there in time.
    """

    def __init__(
        self, url: str, *, token: str = '', timeout_s: float = 5.0,
        connect_timeout_s: float = 30.0,
    ) -> None:
        self._url = server_url(url)
        self._token = token
        self._timeout_s = timeout_s
        self._connection: ServerConnection | None = None
        self._episode = self._episode_begun = 0
        self._is_closed = False
        self._task: asyncio.Task | None = None
        self._lock = Lock()
        self._loop = asyncio.new_event_loop()
        try:
            self._metadata = self._first_connection(connect_timeout_s)
        except BaseException:
            self.close()
            raise
        self.name = self._metadata.name
        self.is_trained = self._metadata.is_trained
        self.known_tasks = self._metadata.known_tasks
        self.camera_names = self._metadata.camera_names
        self.chunk_size = self._metadata.chunk_size
        self.can_plan = self._metadata.can_plan
        self.can_continue = self._metadata.can_continue
        self.trained_values = self._metadata.trained_values
        self.arm_order = self._metadata.arm_order

    def predict(
        self, observation: Observation, seed: int, *, num_denoising_steps: int | None = None,
        with_future_images: bool = False, planning: PlanningSettings | None = None,
        committed_actions: np.ndarray | None = None,
    ) -> Prediction:
        """Predict as `Policy.predict` says; the last stage, `transfer`, is all but the model.

        Raises:
            PredictionError: Also if the server cannot be reached, is too slow, or answers
                nonsense.
        """
        request = InferenceRequest(
            observation=observation, seed=seed, num_denoising_steps=num_denoising_steps,
            with_future_images=with_future_images, planning=planning,
            committed_actions=committed_actions)
        with self._lock:
            if self._is_closed:
                raise PredictionError(f'the connection to {self._url} was closed')
            try:
                return self._predict(request)
            except BaseException:
                self._disconnect()
                raise

    def seen_images(self, observation: Observation) -> dict[str, np.ndarray]:
        """Return nothing: how the model crops and scales images is known to the server only."""
        del observation
        return {}

    def reset(self) -> None:
        """Let the next query begin a new episode."""
        self._episode += 1

    def close(self) -> None:
        """Drop the connection; a query that runs on another thread fails."""
        self._is_closed = True
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cancel)
        with self._lock:
            if not self._loop.is_closed():
                self._disconnect()
                self._loop.close()

    def _first_connection(self, timeout_s: float) -> PolicyMetadata:
        try:
            return self._run(self._connect(), timeout_s)
        except asyncio.TimeoutError:
            health = self._loop.run_until_complete(server_health(self._url))
            raise ConfigurationError(
                f'policy server {self._url} was not ready within {timeout_s:g} s ({health})'
            ) from None
        except PredictionError as error:
            raise ConfigurationError(
                f'{error}; is `cosmos-policy serve` running there?') from error

    def _predict(self, request: InferenceRequest) -> Prediction:
        start_ns = time.monotonic_ns()
        episode = self._episode
        payload = self._payload(request, reset=episode != self._episode_begun)
        prediction, server_s = self._read(self._ask(payload), request)
        self._episode_begun = episode
        transfer = StageTiming(name='transfer', duration_s=max(
            0.0, (time.monotonic_ns() - start_ns) * 1e-9 - server_s))
        return replace(prediction, timings=(*prediction.timings, transfer))

    def _payload(self, request: InferenceRequest, *, reset: bool) -> bytes:
        payload = encode(request_to_wire(request, camera_names=self.camera_names, reset=reset))
        allowed = self._metadata.max_message_bytes
        if len(payload) > allowed:
            raise ObservationError(
                f'the observation makes a message of {len(payload)} bytes; policy server '
                f'{self._url} reads at most {allowed}')
        return payload

    def _ask(self, payload: bytes) -> bytes:
        try:
            return self._run(self._query(payload), self._timeout_s)
        except asyncio.TimeoutError:
            is_ready = self._connection is not None and self._connection.is_ready
            problem = 'did not answer' if is_ready else 'did not become ready'
            raise PredictionError(
                f'policy server {self._url} {problem} within {self._timeout_s:g} s') from None

    async def _query(self, payload: bytes) -> bytes:
        if self._connection is not None:
            try:
                return await self._connection.exchange(payload)
            except ConnectionLost:
                await self._connection.close()
        await self._reconnect()
        return await self._connection.exchange(payload)

    async def _reconnect(self) -> None:
        metadata = await self._connect()
        if metadata != self._metadata:
            raise ConfigurationError(
                f'policy server {self._url} now serves another policy: {metadata}; it was '
                f'{self._metadata}')

    async def _connect(self) -> PolicyMetadata:
        self._connection = ServerConnection(self._url, self._token)
        return await self._connection.open()

    def _read(self, reply: bytes, request: InferenceRequest) -> tuple[Prediction, float]:
        try:
            return prediction_from_wire(decode(reply), request, chunk_size=self.chunk_size)
        except (CodecError, PredictionError) as error:
            raise PredictionError(
                f'policy server {self._url} answered nonsense: {error}') from error

    def _run(self, coroutine: Coroutine[None, None, _Result], timeout_s: float) -> _Result:
        self._task = self._loop.create_task(asyncio.wait_for(coroutine, timeout_s))
        try:
            return self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            raise PredictionError(
                f'the connection to {self._url} was closed during a query') from None
        finally:
            self._task = None

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._loop.run_until_complete(connection.close())

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()


def server_url(address: str) -> str:
    """Return the websocket address behind what a user writes.

    Raises:
        ConfigurationError: If it names no host, or anything beyond host and port.
    """
    url = address if '://' in address else f'ws://{address}'
    try:
        parts = urlsplit(url)
        is_url = (parts.scheme in ('ws', 'wss') and parts.hostname and parts.port != 0
                  and parts.path in ('', '/') and not (parts.query or parts.fragment))
    except ValueError:
        is_url = False
    if not is_url:
        raise ConfigurationError(
            f'{address!r} is no address of a policy server; expected host:port, ws://host:port '
            'or wss://host')
    return url.rstrip('/')
