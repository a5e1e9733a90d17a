# SPDX-License-Identifier: Apache-2.0
"""Servers on a thread of their own, over real sockets of the loopback interface."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from threading import Event, Thread

from aiohttp import web

from cosmos_policy_ros.policy.remote.codec import encode
from cosmos_policy_ros.policy.remote.metadata import PolicyMetadata
from cosmos_policy_ros.policy.remote.records import record_to_wire

DEADLINE_S = 10.0
METADATA = PolicyMetadata(
    name='rogue', is_trained=True, known_tasks=None, camera_names=('cam_high',), chunk_size=3,
    can_plan=False, can_continue=False, trained_values=(), arm_order=(), max_message_bytes=10**6)


class ServerThread:
    """Context manager that runs a coroutine which listens.

    Args:
        run: Gets an event that ends it and a function to call with the port.
    """

    def __init__(
        self, run: Callable[[asyncio.Event, Callable[[int], None]], Awaitable[None]],
    ) -> None:
        self._run = run
        self._listening = Event()
        self.port = 0
        self.error: Exception | None = None

    def __enter__(self) -> ServerThread:
        self._thread = Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self._thread.start()
        assert self._listening.wait(DEADLINE_S), 'the server does not listen'
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Address for clients."""
        return f'ws://127.0.0.1:{self.port}'

    def stop(self) -> None:
        """End the server and wait for it."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self.join()

    def join(self) -> None:
        """Wait for the server to end."""
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive(), 'the server does not end'

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self._run(self._stop, self._on_listening)
        except Exception as error:
            self.error = error
        finally:
            self._listening.set()

    def _on_listening(self, port: int) -> None:
        self.port = port
        self._listening.set()


class RogueServer(ServerThread):
    """A websocket server that does what a test tells it.

    Args:
        answer: Called with the socket and each request.
        metadata: Bytes or text sent on connection; None for nothing.
        reads: Whether it reads at all after having sent them.
    """

    def __init__(
        self, answer: Callable[[web.WebSocketResponse, bytes], Awaitable[None]], *,
        metadata: bytes | str | None = encode(record_to_wire(METADATA)), reads: bool = True,
    ) -> None:
        super().__init__(self._listen)
        self._answer = answer
        self._metadata = metadata
        self._reads = reads
        self.num_connections = 0
        self.transport: asyncio.Transport | None = None

    async def _listen(self, stop: asyncio.Event, on_listening: Callable[[int], None]) -> None:
        application = web.Application()
        application.router.add_get('/', self._on_websocket)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, '127.0.0.1', 0).start()
        on_listening(runner.addresses[0][1])
        await stop.wait()
        await runner.cleanup()

    async def _on_websocket(self, request: web.Request) -> web.WebSocketResponse:
        self.num_connections += 1
        self.transport = request.transport
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if isinstance(self._metadata, bytes):
            await socket.send_bytes(self._metadata)
        elif self._metadata is not None:
            await socket.send_str(self._metadata)
        if not self._reads:
            self.transport.pause_reading()
        async for message in socket:
            await self._answer(socket, message.data)
        return socket
