# SPDX-License-Identifier: Apache-2.0
"""Observations and predictions as maps on the wire, in the layout of OpenPI's ALOHA policies.

Request. `state`: measured joints (14,); `images`: camera name to RGB image, (H, W, 3) or
(3, H, W), uint8; `prompt`: text of the task. Ours, all optional: `seed`, `num_denoising_steps`,
`with_future_images`, `planning` (the fields of `PlanningSettings`), `committed_actions` (actions
(n, 14) that the chunk begins with, for a policy whose metadata say `can_continue`), `stamp_ns`,
and `reset`, true for the first query of an episode. Any other field is refused, flat names such as
`observation/state` among them: OpenPI has those for other robots only.

Reply. `actions`: joint targets (K, 14), float64; `value`; `future_proprio` (14,); `future_images`:
camera name to (H, W, 3) uint8; `seed`, `num_denoising_steps`, `mode`, `stamp_ns`, `period_ns`;
`plan`: None, or the fields of `Plan`; `stages_s`: stage to its duration in [s]; `server_timing`:
`infer_ms`, and `prev_total_ms` from the second reply on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cosmos_policy_ros.errors import (
    ConfigurationError, CosmosPolicyError, ObservationError, PredictionError)
from cosmos_policy_ros.policy.inference_worker import InferenceRequest
from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.policy.remote.fields import Fields
from cosmos_policy_ros.policy.remote.records import record_from_wire, record_to_wire
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.observation import Observation
from cosmos_policy_ros.spec.plan import Plan
from cosmos_policy_ros.spec.prediction import Prediction
from cosmos_policy_ros.spec.stage_timing import StageTiming

_TRAVELLING_ERRORS = (ConfigurationError, ObservationError, PredictionError)
_REQUEST_FIELDS = ('state', 'images', 'prompt', 'seed', 'num_denoising_steps',
                   'with_future_images', 'planning', 'committed_actions', 'stamp_ns', 'reset')
# The reference server's own default.
DEFAULT_SEED = 195
_MAX_SEED = 2**32 - 1


def request_to_wire(
    request: InferenceRequest, *, camera_names: Sequence[str], reset: bool,
) -> dict[str, object]:
    """Return the map that is sent; of the images only those that the policy wants."""
    observation = request.observation
    return {
        'state': observation.proprio, 'prompt': observation.task,
        'images': {camera: observation.images[camera] for camera in camera_names
                   if camera in observation.images},
        'seed': request.seed, 'num_denoising_steps': request.num_denoising_steps,
        'with_future_images': request.with_future_images, 'stamp_ns': observation.stamp_ns,
        'planning': record_to_wire(request.planning) if request.planning else None,
        'committed_actions': request.committed_actions, 'reset': reset}


def request_from_wire(message: object) -> tuple[InferenceRequest, bool]:
    """Read a map that was received; returns the request and whether to reset the policy first.

    Raises:
        ObservationError: If a field is missing, unknown, or not what it must be.
        ConfigurationError: If the planning settings are impossible.
    """
    fields = Fields('the request', message, ObservationError)
    fields.refuse_others(_REQUEST_FIELDS)
    observation = Observation(
        images=fields.images('images'), proprio=fields.numbers('state'),
        stamp_ns=fields.integer('stamp_ns') if fields.has('stamp_ns') else 0,
        task=fields.text('prompt'))
    request = InferenceRequest(
        observation=observation,
        seed=fields.integer('seed') if fields.has('seed') else DEFAULT_SEED,
        num_denoising_steps=(fields.integer('num_denoising_steps')
                             if fields.has('num_denoising_steps') else None),
        with_future_images=fields.has('with_future_images') and fields.flag('with_future_images'),
        planning=_planning(fields),
        committed_actions=(fields.numbers('committed_actions')
                           if fields.has('committed_actions') else None))
    if not 0 <= request.seed <= _MAX_SEED:
        raise ObservationError(f'seed is {request.seed}; allowed is 0 to {_MAX_SEED}')
    return request, fields.has('reset') and fields.flag('reset')


def prediction_to_wire(prediction: Prediction) -> dict[str, object]:
    """Return the map that is sent."""
    return {
        'actions': prediction.chunk.positions, 'value': prediction.value,
        'future_proprio': prediction.future_proprio,
        'future_images': dict(prediction.future_images), 'seed': prediction.seed,
        'num_denoising_steps': prediction.num_denoising_steps, 'mode': prediction.mode,
        'stamp_ns': prediction.chunk.stamp_ns, 'period_ns': prediction.chunk.period_ns,
        'stages_s': {timing.name: timing.duration_s for timing in prediction.timings},
        'plan': record_to_wire(prediction.plan) if prediction.plan else None}


def prediction_from_wire(
    message: object, request: InferenceRequest, *, chunk_size: int,
) -> tuple[Prediction, float]:
    """Read a map that was received; returns the prediction and the server's time in [s].

    Args:
        message: The decoded message.
        request: What was asked; the reply must answer it.
        chunk_size: Length that the chunk must have.

    Raises:
        PredictionError: If a field is missing or not what it must be, the chunk or the joints
            have the wrong size, a number is not finite, or another request was answered.
    """
    fields = Fields('the reply', message, PredictionError)
    _check_answers(fields, request)
    joints = len(request.observation.proprio)
    timing = Fields('server_timing', fields.map('server_timing'), PredictionError)
    prediction = Prediction(
        chunk=ActionChunk(
            positions=_shaped(fields, 'actions', (chunk_size, joints)),
            stamp_ns=request.observation.stamp_ns, period_ns=fields.integer('period_ns')),
        future_proprio=_shaped(fields, 'future_proprio', (joints,)),
        value=fields.number('value'), future_images=fields.images('future_images'),
        seed=request.seed, num_denoising_steps=fields.integer('num_denoising_steps'),
        mode=fields.text('mode'), timings=_stages(fields),
        plan=_plan(fields, request, (chunk_size, joints)))
    return prediction, timing.number('infer_ms') * 1e-3


def authorization(token: str) -> str:
    """Return the value of the header `Authorization` that carries a token.

    Raises:
        ConfigurationError: If a header cannot carry the token.
    """
    if not token.isprintable() or any(character.isspace() for character in token):
        raise ConfigurationError('the token holds a space, line break or control character')
    return f'Api-Key {token}'


def error_to_wire(error: CosmosPolicyError) -> str:
    """Return the text that is sent instead of a reply."""
    return f'{type(error).__name__}: {error}'


def error_from_wire(text: str, *, server: str) -> CosmosPolicyError:
    """Return the error behind a text that was received; of its class where that is ours to know.

    Args:
        text: The text.
        server: Address of the server, for the error text.
    """
    name, _, rest = text.partition(': ')
    for kind in _TRAVELLING_ERRORS:
        if name == kind.__name__:
            return kind(f'{rest} (says the policy server {server})')
    return PredictionError(f'policy server {server} failed: {text}')


def _check_answers(fields: Fields, request: InferenceRequest) -> None:
    expected = {'seed': request.seed, 'stamp_ns': request.observation.stamp_ns}
    for key, value in expected.items():
        if fields.integer(key) != value:
            raise PredictionError(
                f'the reply answers another request: its {key} is {fields.integer(key)}, '
                f'expected {value}')


def _planning(fields: Fields) -> PlanningSettings | None:
    if not fields.has('planning'):
        return None
    return record_from_wire(PlanningSettings, fields.map('planning'), what='planning',
                            error=ConfigurationError)


def _plan(fields: Fields, request: InferenceRequest, shape: tuple[int, int]) -> Plan | None:
    if fields.has('plan') != (request.planning is not None):
        raise PredictionError('the reply must hold a plan if, and only if, one was asked for')
    if request.planning is None:
        return None
    plan = record_from_wire(Plan, fields.map('plan'), what='plan', error=PredictionError)
    for candidate in plan.candidates:
        if candidate.chunk.shape != shape:
            raise PredictionError(
                f'the chunk of candidate {candidate.seed} has shape {candidate.chunk.shape}, '
                f'expected {shape}')
    return plan


def _shaped(fields: Fields, key: str, shape: tuple[int, ...]) -> np.ndarray:
    array = fields.numbers(key)
    if array.shape != shape:
        raise PredictionError(f'{key} of the reply has shape {array.shape}, expected {shape}')
    return array


def _stages(fields: Fields) -> tuple[StageTiming, ...]:
    stages = fields.map('stages_s')
    durations = Fields('stages_s', stages, PredictionError)
    return tuple(StageTiming(name=str(name), duration_s=durations.number(name))
                 for name in stages)
