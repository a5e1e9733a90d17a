# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy serve`: the model for policy nodes, and other clients, on other machines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
import logging
import os
import signal
from typing import TYPE_CHECKING

from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from cosmos_policy_ros.errors import ConfigurationError

if TYPE_CHECKING:
    from cosmos_policy_ros.policy.protocol import Policy
    from cosmos_policy_ros.policy.remote.server import PolicyServer

TOKEN_VARIABLE = 'COSMOS_POLICY_TOKEN'


def serve(
    *, checkpoint: str = 'aloha_small', planning_checkpoint: str | None = None,
    host: str = '127.0.0.1', port: int = 8000, token: str = '', device: str = 'auto',
    max_message_mib: int = 64,
) -> int:
    """Serve a model over the network until Ctrl-C: OpenPI's websocket protocol, and POST /act.

    Args:
        checkpoint: Folder of a checkpoint, or the name of one in models/.
        planning_checkpoint: The same of the model that imagines and values in planning mode; none
            by default.
        host: Address to listen on; 0.0.0.0 for every network of this machine.
        port: Port to listen on; 0 for any that is free.
        token: Token that clients must send. The environment variable COSMOS_POLICY_TOKEN sets it
            too and does not show in the list of processes.
        device: `auto`, `cpu`, `cuda` or another torch device.
        max_message_mib: Largest message that is read, in [MiB].
    """
    # aiohttp is an extra: the other commands do without.
    from cosmos_policy_ros.policy.remote.server import PolicyServer
    if max_message_mib < 1:
        raise ConfigurationError(f'max_message_mib is {max_message_mib}; at least 1 is required')
    console = Console()
    _show_log(console)
    token = token or os.environ.get(TOKEN_VARIABLE, '')
    if not token and not _is_loopback(host):
        console.print(
            f'[bold yellow]warning:[/] everybody who reaches {host} can use this server; set '
            f'{TOKEN_VARIABLE} to a token', highlight=False)
    server = PolicyServer(
        partial(load_policy, checkpoint, planning_checkpoint, device, console), token=token,
        max_message_bytes=max_message_mib * 2**20)
    asyncio.run(_run(server, host, port, console))
    console.print('stopped')
    return 0


def load_policy(
    checkpoint: str, planning_checkpoint: str | None, device: str, console: Console,
    report: Callable[[str], None],
) -> Policy:
    """Load a model and answer one query with it, so that the first client need not wait for that.

    Args:
        checkpoint: Folder of a checkpoint, or the name of one in models/.
        planning_checkpoint: The same of the model that imagines and values; None for none.
        device: Torch device, or `auto`.
        console: Where progress is printed.
        report: Called with each step of the progress.

    Raises:
        CosmosPolicyError: If the checkpoint or the device cannot be used.
    """
    def step(text: str) -> None:
        report(text)
        console.print(escape(text), highlight=False)

    step('importing the libraries of the model')
    from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy
    from cosmos_policy_ros.policy.device import choose_device
    chosen = choose_device(device)
    step(f'loading {checkpoint} on {chosen}')
    policy = CosmosPolicy.load(
        checkpoint, planning_checkpoint=planning_checkpoint, device=chosen)
    step(f'asking {policy.name} a first time')
    _warm_up(policy)
    trained = '' if policy.is_trained else ' (random weights: its motion means nothing)'
    step(f'ready: {policy.name} on {chosen}{trained}')
    return policy


async def _run(server: PolicyServer, host: str, port: int, console: Console) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        stop.set()
        # A second Ctrl-C interrupts a query that takes too long to wait for.
        loop.remove_signal_handler(signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    await server.run(host, port, stop, on_listening=lambda actual: console.print(
        f'listening on ws://{host}:{actual}', highlight=False))


def _warm_up(policy: Policy) -> None:
    import numpy as np

    from cosmos_policy_ros.spec.aloha import ALOHA
    from cosmos_policy_ros.spec.observation import Observation
    cameras = map(ALOHA.camera, policy.camera_names)
    images = {camera.name: np.zeros((camera.height, camera.width, 3), np.uint8)
              for camera in cameras}
    task = policy.known_tasks[0] if policy.known_tasks else 'warm up'
    policy.predict(
        Observation(images=images, proprio=ALOHA.start_pose, stamp_ns=0, task=task), 0,
        with_future_images=True)


def _show_log(console: Console) -> None:
    logging.basicConfig(
        format='%(message)s', handlers=[RichHandler(console=console, show_path=False)])
    logging.getLogger('cosmos_policy_ros').setLevel(logging.INFO)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == 'localhost'
