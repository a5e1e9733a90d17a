# SPDX-License-Identifier: Apache-2.0
"""From the bytes of a request to the bytes of its answer, with the policy in between."""

from __future__ import annotations

import time

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.policy.inference_worker import InferenceRequest
from cosmos_policy_ros.policy.protocol import Policy
from cosmos_policy_ros.policy.remote.act import ActRequest
from cosmos_policy_ros.policy.remote.codec import decode, encode
from cosmos_policy_ros.policy.remote.wire import prediction_to_wire, request_from_wire
from cosmos_policy_ros.spec.prediction import Prediction


def answer_message(
    policy: Policy, data: bytes, *, prev_total_ms: float | None, max_message_bytes: int,
) -> bytes:
    """Answer a websocket request.

    Args:
        policy: Who answers.
        data: The request.
        prev_total_ms: How long the previous request of this connection took; None if none did.
        max_message_bytes: Largest request allowed.

    Raises:
        CosmosPolicyError: If the request is refused.
    """
    request, reset = request_from_wire(decode(data, max_bytes=max_message_bytes))
    if reset:
        policy.reset()
    start_ns = time.monotonic_ns()
    prediction = _predict(policy, request)
    timing = {'infer_ms': (time.monotonic_ns() - start_ns) * 1e-6}
    if prev_total_ms is not None:
        timing['prev_total_ms'] = prev_total_ms
    return encode({**prediction_to_wire(prediction), 'server_timing': timing})


def answer_act(policy: Policy, body: bytes) -> str:
    """Answer a request of the reference's client.

    Raises:
        CosmosPolicyError: If the request is refused.
    """
    act = ActRequest(body)
    return act.reply(_predict(policy, act.request))


def _predict(policy: Policy, request: InferenceRequest) -> Prediction:
    if request.committed_actions is not None and not getattr(policy, 'can_continue', False):
        raise ConfigurationError(
            f'policy {policy.name!r} cannot begin a chunk with committed_actions')
    return policy.predict(request.observation, request.seed, **request.options)
