# SPDX-License-Identifier: Apache-2.0
"""One websocket to a policy server, as coroutines; who awaits them sets the time-outs.

The caller is synchronous, yet this is asyncio: a coroutine can be given up at any point, also in
the middle of sending to a machine that has vanished, where a synchronous library blocks until TCP
gives up.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import aiohttp
from aiohttp import WSMessage, WSMsgType

from cosmos_policy_ros.errors import ConfigurationError, PredictionError
from cosmos_policy_ros.policy.remote.codec import CodecError, decode, MAX_MESSAGE_BYTES
from cosmos_policy_ros.policy.remote.metadata import metadata_from_wire, PolicyMetadata
from cosmos_policy_ros.policy.remote.wire import authorization, error_from_wire

_GOODBYE_S = 0.1


class ConnectionLost(PredictionError):
    """A policy server that cannot be reached, or went away."""


class ServerConnection:
    """A websocket to a policy server; to be closed even if it could not be opened.

    Args:
        url: Address of the server, `ws://host:port`.
        token: Token that the server wants; empty for none.

    Attributes:
        is_ready: Whether the server has said that its model is loaded.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {'Authorization': authorization(token)} if token else {}
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self.is_ready = False

    async def open(self) -> PolicyMetadata:
        """Connect and wait until the server has loaded its model.

        Raises:
            ConnectionLost: If the server cannot be reached, or goes away meanwhile.
            ConfigurationError: If it refuses the token or is no policy server.
        """
        self._session = aiohttp.ClientSession()
        try:
            self._socket = await self._session.ws_connect(
                self._url, headers=self._headers, max_msg_size=MAX_MESSAGE_BYTES, compress=0)
        except aiohttp.WSServerHandshakeError as error:
            raise ConfigurationError(self._refusal(error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionLost(f'no policy server answers at {self._url}: {error}') from error
        metadata = self._metadata(await self._receive())
        self.is_ready = True
        return metadata

    async def exchange(self, payload: bytes) -> bytes:
        """Send a request and wait for its reply.

        Raises:
            ConnectionLost: If the server goes away.
            CosmosPolicyError: What the server says instead of a reply.
        """
        try:
            await self._socket.send_bytes(payload)
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionLost(f'policy server {self._url} went away: {error}') from error
        return await self._receive()

    async def close(self) -> None:
        """Say goodbye, then cut the connection, whether or not the server agrees."""
        if self._socket is not None:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._socket.close(), _GOODBYE_S)
        if self._session is not None:
            await self._session.close()

    async def _receive(self) -> bytes:
        message = await self._socket.receive()
        if message.type is WSMsgType.BINARY:
            return message.data
        if message.type is WSMsgType.TEXT:
            raise error_from_wire(message.data, server=self._url)
        raise ConnectionLost(f'policy server {self._url} {_farewell(message)}')

    def _metadata(self, data: bytes) -> PolicyMetadata:
        try:
            return metadata_from_wire(decode(data))
        except (CodecError, ConfigurationError) as error:
            raise ConfigurationError(
                f'{self._url} is no policy server that this client knows: {error}') from error

    def _refusal(self, error: aiohttp.WSServerHandshakeError) -> str:
        if error.status == 401:
            return f'policy server {self._url} refuses the token'
        return f'{self._url} is no policy server: it answers HTTP {error.status} {error.message}'


async def server_health(url: str) -> str:
    """Return what the server says about its state, or why it says nothing."""
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1.0)) as session:
            async with session.get(f'http{url.removeprefix("ws")}/healthz') as response:
                return (await response.text()).strip()
    except (aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
        return f'no answer to a health check: {error or type(error).__name__}'


def _farewell(message: WSMessage) -> str:
    if message.type is WSMsgType.ERROR:
        return f'broke the connection: {message.data}'
    if message.type is WSMsgType.CLOSE:
        return f'closed the connection ({message.data} {message.extra})'
    return 'closed the connection'
