# SPDX-License-Identifier: Apache-2.0
"""A policy that can be held back and made to fail, and servers of policies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from threading import Event

import numpy as np
import pytest
from server_thread import DEADLINE_S, ServerThread

from cosmos_policy_ros.policy.protocol import Policy
from cosmos_policy_ros.policy.remote.server import PolicyServer
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.prediction import Prediction, StageTiming


class GatedPolicy:
    """Answers with where the joints are and the seed as the value; waits for a gate."""

    name = 'gated'
    is_trained = True
    known_tasks = None
    camera_names = ('cam_high',)
    chunk_size = 3
    can_plan = False

    def __init__(self):
        self.gate = Event()
        self.gate.set()
        self.started = Event()
        self.num_running = self.max_running = self.num_resets = self.num_queries = 0
        self.failure = None

    def predict(self, observation, seed, *, num_denoising_steps=None, with_future_images=False,
                planning=None):
        self.num_queries += 1
        self.num_running += 1
        self.max_running = max(self.max_running, self.num_running)
        self.started.set()
        assert self.gate.wait(DEADLINE_S), 'the gate stayed closed'
        self.num_running -= 1
        if self.failure is not None:
            raise self.failure
        images = {'cam_high': observation.images['cam_high']} if with_future_images else {}
        return Prediction(
            chunk=ActionChunk(positions=np.tile(observation.proprio, (self.chunk_size, 1)),
                              stamp_ns=observation.stamp_ns, period_ns=40_000_000),
            future_proprio=observation.proprio, value=seed / 1000, future_images=images,
            seed=seed, num_denoising_steps=num_denoising_steps or 0, mode='scripted',
            timings=(StageTiming(name='wait', duration_s=0.0),))

    def reset(self):
        self.num_resets += 1


@pytest.fixture
def gated_policy() -> Iterator[GatedPolicy]:
    policy = GatedPolicy()
    yield policy
    policy.gate.set()


@pytest.fixture(scope='module')
def serve() -> Iterator[Callable[..., ServerThread]]:
    """Start a server of a policy, or of what a function loads; ended with the module."""
    with ExitStack() as servers:
        def start(policy: Policy | None = None, *, port: int = 0, load=None, **options):
            server = PolicyServer(load or (lambda report: policy), **options)
            return servers.enter_context(ServerThread(
                lambda stop, on_listening: server.run(
                    '127.0.0.1', port, stop, on_listening=on_listening)))
        yield start
