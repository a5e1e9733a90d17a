# SPDX-License-Identifier: Apache-2.0
"""The policy server: one model behind a websocket, `POST /act` and `GET /healthz`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
import hmac
import logging
import time
from typing import TypeVar

from aiohttp import web, WSCloseCode, WSMsgType

from cosmos_policy_ros.errors import ConfigurationError, CosmosPolicyError
from cosmos_policy_ros.policy.protocol import Policy
from cosmos_policy_ros.policy.remote.answers import answer_act, answer_message
from cosmos_policy_ros.policy.remote.codec import encode, MAX_MESSAGE_BYTES
from cosmos_policy_ros.policy.remote.json_codec import encode_json
from cosmos_policy_ros.policy.remote.metadata import metadata_of
from cosmos_policy_ros.policy.remote.records import record_to_wire
from cosmos_policy_ros.policy.remote.wire import authorization, error_to_wire

HEALTH_PATH = '/healthz'
# How long requests over HTTP may still take when the server stops.
_SHUTDOWN_TIMEOUT_S = 5.0
_LOGGER = logging.getLogger(__name__)
_Result = TypeVar('_Result')


class PolicyServer:
    """Serves one policy to any number of clients, one query at a time.

    The policy is loaded and asked on one thread of its own, which is all the locking it needs:
    queries wait in line there, and one whose client has gone before its turn is dropped.

    Args:
        load: Loads the policy; is given a function to report progress with.
        token: Token that clients must send; empty for none.
        max_message_bytes: Largest message or request body that is read.

    Raises:
        ConfigurationError: If clients could not send the token.
    """

    def __init__(
        self, load: Callable[[Callable[[str], None]], Policy], *, token: str = '',
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        self._load = load
        self._authorization = authorization(token) if token else ''
        self._max_message_bytes = max_message_bytes
        self._progress = 'starting'
        self._sockets: set[web.WebSocketResponse] = set()

    async def run(
        self, host: str, port: int, stop: asyncio.Event, *,
        on_listening: Callable[[int], None] = lambda port: None,
    ) -> None:
        """Listen, load the policy, and answer until told to stop.

        Args:
            host: Address to listen on.
            port: Port; 0 for any.
            stop: Ends the server.
            on_listening: Called with the port before the policy is loaded.

        Raises:
            ConfigurationError: If the address cannot be listened on.
            CosmosPolicyError: If the policy cannot be loaded.
        """
        self._model_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix='model')
        listening = asyncio.Event()
        self._policy: asyncio.Future[Policy] = asyncio.ensure_future(self._loaded(listening))
        runner = web.AppRunner(
            self._application(), access_log=None, shutdown_timeout=_SHUTDOWN_TIMEOUT_S)
        await runner.setup()
        try:
            on_listening(await _listen(runner, host, port))
            listening.set()
            await self._until_stopped(stop)
        finally:
            self._policy.cancel()
            await runner.cleanup()
            self._model_thread.shutdown(wait=False, cancel_futures=True)

    def _application(self) -> web.Application:
        application = web.Application(
            client_max_size=self._max_message_bytes, middlewares=[self._check_token])
        application.router.add_get('/', self._on_websocket)
        application.router.add_get(HEALTH_PATH, self._on_health)
        application.router.add_post('/act', self._on_act)
        application.on_shutdown.append(self._close_sockets)
        return application

    async def _until_stopped(self, stop: asyncio.Event) -> None:
        stopped = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({stopped, self._policy}, return_when=asyncio.FIRST_COMPLETED)
            if self._policy.done():
                # Raises if loading failed.
                self._policy.result()
            await stopped
        finally:
            stopped.cancel()

    async def _loaded(self, listening: asyncio.Event) -> Policy:
        await listening.wait()
        return await self._on_model_thread(self._load, self._report)

    def _report(self, progress: str) -> None:
        self._progress = progress

    async def _on_model_thread(
        self, function: Callable[..., _Result], *arguments: object,
    ) -> _Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._model_thread, function, *arguments)

    @web.middleware
    async def _check_token(
        self, request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        given = request.headers.get('Authorization', '')
        if request.path != HEALTH_PATH and self._authorization and not hmac.compare_digest(
                given.encode(errors='surrogateescape'), self._authorization.encode()):
            _LOGGER.warning('refused %s: wrong token', request.remote)
            return _error(401, 'wrong or missing token')
        return await handler(request)

    async def _on_health(self, request: web.Request) -> web.Response:
        if self._is_loaded():
            return web.Response(text='OK\n')
        return web.Response(status=503, text=f'{self._progress}\n')

    async def _on_act(self, request: web.Request) -> web.Response:
        if not self._is_loaded():
            return _error(503, self._progress)
        try:
            text = await self._on_model_thread(
                answer_act, self._policy.result(), await request.read())
        except web.HTTPRequestEntityTooLarge:
            return _error(413, f'the request exceeds {self._max_message_bytes} bytes')
        except CosmosPolicyError as error:
            return _error(400, error_to_wire(error))
        except Exception as error:
            _LOGGER.exception('a query failed')
            return _error(500, f'{type(error).__name__}: {error}')
        return web.Response(text=text, content_type='application/json')

    async def _on_websocket(self, request: web.Request) -> web.WebSocketResponse:
        # Of websocket messages aiohttp refuses what reaches its limit.
        socket = web.WebSocketResponse(max_msg_size=self._max_message_bytes + 1, compress=False)
        await socket.prepare(request)
        _LOGGER.info('%s connected', request.remote)
        self._sockets.add(socket)
        # Two tasks, because pings are answered only while a message is awaited.
        requests: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
        answering = asyncio.ensure_future(self._answer(socket, requests))
        try:
            await _read(socket, requests)
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            self._sockets.discard(socket)
            _LOGGER.info('%s disconnected', request.remote)
        return socket

    async def _answer(self, socket: web.WebSocketResponse, requests: asyncio.Queue) -> None:
        try:
            policy = await asyncio.shield(self._policy)
            await socket.send_bytes(encode(record_to_wire(metadata_of(
                policy, max_message_bytes=self._max_message_bytes))))
            prev_total_ms = None
            while True:
                data = await requests.get()
                start_ns = time.monotonic_ns()
                await self._reply(socket, policy, data, prev_total_ms)
                prev_total_ms = (time.monotonic_ns() - start_ns) * 1e-6
        except ConnectionError:
            _LOGGER.info('a client went away before its answer')
        except Exception as error:
            _LOGGER.exception('a connection failed')
            await socket.send_str(f'{type(error).__name__}: {error}')
            await socket.close(code=WSCloseCode.INTERNAL_ERROR)

    async def _reply(
        self, socket: web.WebSocketResponse, policy: Policy, data: bytes,
        prev_total_ms: float | None,
    ) -> None:
        try:
            await socket.send_bytes(await self._on_model_thread(partial(
                answer_message, policy, data, prev_total_ms=prev_total_ms,
                max_message_bytes=self._max_message_bytes)))
        except CosmosPolicyError as error:
            await socket.send_str(error_to_wire(error))

    def _is_loaded(self) -> bool:
        return (self._policy.done() and not self._policy.cancelled()
                and self._policy.exception() is None)

    async def _close_sockets(self, application: web.Application) -> None:
        for socket in tuple(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b'the server stops')


async def _read(socket: web.WebSocketResponse, requests: asyncio.Queue) -> None:
    async for message in socket:
        if message.type is not WSMsgType.BINARY or requests.full():
            await socket.close(
                code=WSCloseCode.POLICY_VIOLATION,
                message=b'binary messages, and one at a time, are expected')
        else:
            requests.put_nowait(message.data)


async def _listen(runner: web.AppRunner, host: str, port: int) -> int:
    try:
        await web.TCPSite(runner, host, port).start()
    except (OSError, OverflowError) as error:
        raise ConfigurationError(f'cannot listen on {host}:{port}: {error}') from error
    return runner.addresses[0][1]


def _error(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=encode_json(f'error: {text}'),
                        content_type='application/json')
