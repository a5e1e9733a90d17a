# SPDX-License-Identifier: Apache-2.0
"""Requests and replies as maps."""

from dataclasses import replace

import numpy as np
import pytest

from cosmos_policy_ros.errors import (
    CheckpointError, ConfigurationError, ObservationError, PredictionError)
from cosmos_policy_ros.policy.inference_worker import InferenceRequest
from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.policy.remote.codec import decode, encode
from cosmos_policy_ros.policy.remote.records import record_to_wire
from cosmos_policy_ros.policy.remote.wire import (
    DEFAULT_SEED, error_from_wire, error_to_wire, prediction_from_wire, prediction_to_wire,
    request_from_wire, request_to_wire)
from cosmos_policy_ros.spec.plan import Candidate, Plan
from cosmos_policy_ros.spec.stage_timing import StageTiming

NAN = float('nan')


@pytest.fixture
def request_(synthetic_observation):
    """A request that uses every option."""
    return InferenceRequest(
        observation=synthetic_observation(), seed=7, num_denoising_steps=4,
        with_future_images=True, planning=PlanningSettings(num_candidates=2, uncertainty=0.5))


@pytest.fixture
def plan():
    """A plan of two candidates, one of them valued."""
    return Plan(
        candidates=(Candidate(seed=7, chunk=np.zeros((3, 14))),
                    Candidate(seed=8, chunk=np.ones((3, 14)), value=0.5,
                              member_values=np.full((1, 1, 2), 0.5))),
        winner_index=1, num_requested=2, value_kind='v_next', aggregation='average',
        search_depth=1, future_steps=(5,), value_steps=(4, 5), deadline_s=1.5, reason='deadline',
        timings=(StageTiming(name='values', duration_s=0.25),))


@pytest.fixture
def openpi_message():
    """What a client of OpenPI sends for an ALOHA robot."""
    return {'state': np.ones(14),
            'images': {'cam_high': np.zeros((3, 224, 224), np.uint8)}, 'prompt': 'do something'}


@pytest.fixture
def reply(gated_policy, request_, plan):
    """The reply to the request, as a server sends it."""
    prediction = gated_policy.predict(
        request_.observation, request_.seed, num_denoising_steps=4, with_future_images=True)
    return {**prediction_to_wire(replace(prediction, plan=plan)),
            'server_timing': {'infer_ms': 12.5}}


@pytest.mark.parametrize('reset', [True, False])
def test_a_request_survives_the_journey(request_, reset):
    cameras = ('cam_high', 'cam_left_wrist')
    message = request_to_wire(request_, camera_names=cameras, reset=reset)
    received, received_reset = request_from_wire(decode(encode(message)))
    assert received_reset is reset
    assert replace(received, observation=request_.observation) == request_
    sent, arrived = request_.observation, received.observation
    assert set(arrived.images) == set(cameras)
    for camera in cameras:
        np.testing.assert_array_equal(arrived.images[camera], sent.images[camera])
    np.testing.assert_array_equal(arrived.proprio, sent.proprio)
    assert (arrived.stamp_ns, arrived.task) == (sent.stamp_ns, sent.task)


def test_a_request_of_openpi_is_understood(openpi_message):
    request, reset = request_from_wire(openpi_message)
    assert request.observation.images['cam_high'].shape == (224, 224, 3)
    assert request.observation.task == 'do something' and not reset
    assert (request.seed, request.num_denoising_steps) == (DEFAULT_SEED, None)
    assert not request.with_future_images


@pytest.mark.parametrize('field, value', [
    ('state', None), ('state', np.array(['a'])), ('state', np.full(14, NAN)),
    ('state', np.zeros((14, 1))), ('images', None), ('images', [1]), ('prompt', None),
    ('images', {'cam_high': np.zeros((4, 4, 3))}), ('prompt', b'text'), ('seed', -1),
    ('seed', 2**32), ('seed', 'x'), ('seed', 1.5), ('num_denoising_steps', 2.5),
    ('with_future_images', 1), ('stamp_ns', 'now'), ('reset', 'yes'),
    ('observation/state', 1)])
def test_a_request_that_makes_no_sense_is_refused(openpi_message, field, value):
    with pytest.raises(ObservationError):
        request_from_wire({**openpi_message, field: value})


@pytest.mark.parametrize('planning', [
    {'num_candidates': 0}, {'num_candidates': 2.0}, {'num_candidates': '2'},
    {'num_candidates': True}, {'deadline_s': -1}, {'deadline_s': 'soon'}, {'value_kind': 'guess'},
    {'is_joint': 1}, {'candidates': 2}, {'uncertainty': NAN}])
def test_planning_settings_that_make_no_sense_are_refused(openpi_message, planning):
    with pytest.raises(ConfigurationError, match=next(iter(planning))):
        request_from_wire({**openpi_message, 'planning': planning})


def test_planning_settings_that_are_left_out_have_their_defaults(openpi_message):
    request, _ = request_from_wire({**openpi_message, 'planning': {'num_candidates': 3}})
    assert request.planning == PlanningSettings(num_candidates=3)


@pytest.mark.parametrize('field', ['state', 'images', 'prompt'])
def test_a_request_without_what_every_query_needs_is_refused(openpi_message, field):
    del openpi_message[field]
    with pytest.raises(ObservationError, match=f"no '{field}'"):
        request_from_wire(openpi_message)


def test_a_prediction_survives_the_journey(gated_policy, request_, reply):
    sent = gated_policy.predict(
        request_.observation, request_.seed, num_denoising_steps=4, with_future_images=True)
    arrived, server_s = prediction_from_wire(decode(encode(reply)), request_, chunk_size=3)
    assert server_s == pytest.approx(0.0125)
    np.testing.assert_array_equal(arrived.chunk.positions, sent.chunk.positions)
    np.testing.assert_array_equal(arrived.future_proprio, sent.future_proprio)
    np.testing.assert_array_equal(arrived.future_images['cam_high'],
                                  sent.future_images['cam_high'])
    assert record_to_wire(arrived.plan).keys() == reply['plan'].keys()
    np.testing.assert_equal(record_to_wire(arrived.plan), reply['plan'])
    assert (arrived.chunk.stamp_ns, arrived.chunk.period_ns) == (
        sent.chunk.stamp_ns, sent.chunk.period_ns)
    for name in ('value', 'seed', 'num_denoising_steps', 'mode', 'timings'):
        assert getattr(arrived, name) == getattr(sent, name)


@pytest.mark.parametrize('field, value', [
    ('actions', None), ('actions', 'text'), ('actions', np.zeros((4, 14))),
    ('actions', np.zeros((3, 13))), ('actions', np.zeros(42)), ('actions', np.full((3, 14), NAN)),
    ('actions', np.zeros((3, 14), bool)), ('value', NAN), ('value', 1.5), ('value', 'x'),
    ('future_proprio', np.zeros(13)), ('future_proprio', np.full(14, np.inf)),
    ('future_images', {'cam_high': np.zeros((4, 4, 3))}), ('future_images', None), ('seed', 8),
    ('stamp_ns', 2), ('period_ns', 0), ('period_ns', None), ('num_denoising_steps', 'x'),
    ('mode', 5), ('stages_s', {'encode': NAN}), ('stages_s', [1]), ('server_timing', None),
    ('server_timing', {}), ('server_timing', {'infer_ms': 'x'})])
def test_a_reply_that_makes_no_sense_is_refused(request_, reply, field, value):
    with pytest.raises(PredictionError):
        prediction_from_wire({**reply, field: value}, request_, chunk_size=3)


@pytest.mark.parametrize('field, value', [
    ('candidates', ()), ('candidates', 5), ('candidates', [{}]), ('winner_index', 2),
    ('winner_index', None), ('reason', 'tired'), ('deadline_s', NAN), ('future_steps', ['a']),
    ('timings', [{'name': 'values'}]), ('unknown', 1)])
def test_a_plan_that_makes_no_sense_is_refused(request_, reply, field, value):
    with pytest.raises(PredictionError):
        prediction_from_wire({**reply, 'plan': {**reply['plan'], field: value}}, request_,
                             chunk_size=3)


def test_a_candidate_with_a_chunk_of_another_size_is_refused(request_, reply, plan):
    short = replace(plan.candidates[0], chunk=np.zeros((2, 14)))
    message = record_to_wire(replace(plan, candidates=(short, plan.candidates[1])))
    with pytest.raises(PredictionError, match=r'candidate 7 has shape \(2, 14\)'):
        prediction_from_wire({**reply, 'plan': message}, request_, chunk_size=3)


def test_a_plan_comes_if_and_only_if_it_was_asked_for(request_, reply):
    direct = replace(request_, planning=None)
    for request, message in ((request_, {**reply, 'plan': None}), (direct, reply)):
        with pytest.raises(PredictionError, match='if, and only if'):
            prediction_from_wire(message, request, chunk_size=3)
    arrived, _ = prediction_from_wire({**reply, 'plan': None}, direct, chunk_size=3)
    assert arrived.plan is None


def test_every_field_of_a_reply_is_required(request_, reply):
    for field in set(reply) - {'plan'}:
        rest = {key: value for key, value in reply.items() if key != field}
        with pytest.raises(PredictionError, match=f"no '{field}'"):
            prediction_from_wire(rest, request_, chunk_size=3)


@pytest.mark.parametrize('kind', [ConfigurationError, ObservationError, PredictionError])
def test_an_error_keeps_its_class_and_its_text(kind):
    arrived = error_from_wire(error_to_wire(kind('too: bad')), server='ws://host:1')
    assert type(arrived) is kind
    assert 'too: bad' in str(arrived) and 'ws://host:1' in str(arrived)


@pytest.mark.parametrize('text', [
    error_to_wire(CheckpointError('torn')), 'RuntimeError: out of memory', 'no colon', '',
    'Traceback (most recent call last):\n  ...\nValueError: x'])
def test_any_other_error_is_a_failed_prediction(text):
    arrived = error_from_wire(text, server='ws://host:1')
    assert type(arrived) is PredictionError and text in str(arrived)
