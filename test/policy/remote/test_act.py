# SPDX-License-Identifier: Apache-2.0
"""The JSON interface of the reference implementation."""

import json

import numpy as np
import pytest

from cosmos_policy_ros.errors import ObservationError
from cosmos_policy_ros.policy.preprocessing import VIEW_CAMERAS
from cosmos_policy_ros.policy.remote.act import ActRequest, REQUEST_IMAGES
from cosmos_policy_ros.policy.remote.json_codec import decode_json, encode_json


def payload(**changes):
    """Return a request as the reference's client builds it."""
    random = np.random.default_rng(0)
    images = {key: random.integers(0, 256, (6, 8, 3), dtype=np.uint8) for key in REQUEST_IMAGES}
    return {**images, 'proprio': np.linspace(0, 1, 14), 'task_description': 'fold shirt',
            **changes}


def body(message):
    """Return the body of an HTTP request."""
    return encode_json(message).encode()


def test_images_joints_and_task_reach_the_policy():
    message = payload()
    request = ActRequest(body(message)).request
    for key, camera in REQUEST_IMAGES.items():
        np.testing.assert_array_equal(request.observation.images[camera], message[key])
    np.testing.assert_array_equal(request.observation.proprio, message['proprio'])
    assert request.observation.task == 'fold shirt' and request.with_future_images


def test_the_names_of_the_images_agree_with_the_views_of_the_model():
    assert {f'{view}_image': camera for view, camera in VIEW_CAMERAS.items()} == REQUEST_IMAGES


def test_nested_lists_are_as_good_as_arrays():
    message = payload()
    lists = {key: value.tolist() if isinstance(value, np.ndarray) else value
             for key, value in message.items()}
    request = ActRequest(json.dumps(lists).encode()).request
    np.testing.assert_array_equal(request.observation.proprio, message['proprio'])
    np.testing.assert_array_equal(request.observation.images['cam_high'],
                                  message['primary_image'])


@pytest.fixture
def answer(gated_policy):
    """Answer a message; returns what the client decodes."""
    def ask(message):
        act = ActRequest(body(message))
        request = act.request
        return decode_json(act.reply(gated_policy.predict(
            request.observation, request.seed, with_future_images=request.with_future_images)))
    return ask


def test_the_reply_has_what_the_server_sent_and_what_its_client_reads(answer):
    reply = answer(payload())
    assert isinstance(reply['actions'], list) and len(reply['actions']) == 3
    for action in reply['actions']:
        np.testing.assert_array_equal(action, np.linspace(0, 1, 14))
        assert action.dtype == np.float64
    assert reply['value_prediction'] == reply['value_predictions'] == 0.195
    assert reply['future_image_predictions']['future_image'].dtype == np.uint8
    assert not [key for key in reply if key.startswith('all_')]


def test_all_query_results_are_lists_over_the_one_candidate(answer):
    reply = answer(payload(return_all_query_results=True))
    np.testing.assert_array_equal(reply['all_actions'], [reply['actions']])
    assert reply['all_value_predictions'] == [reply['value_prediction']]
    np.testing.assert_array_equal(
        reply['all_future_image_predictions'][0]['future_image'],
        reply['future_image_predictions']['future_image'])
    for name in ('actions', 'future_image_predictions', 'value_predictions'):
        assert reply[f'all_{name}_by_depth'] == [[]]


def test_an_encoded_request_gets_an_encoded_reply(answer):
    plain = answer(payload())
    encoded = answer({'encoded': encode_json(payload())})
    assert isinstance(encoded, str)
    np.testing.assert_array_equal(decode_json(encoded)['actions'], plain['actions'])


@pytest.mark.parametrize('field, value', [
    ('primary_image', None), ('primary_image', np.zeros((6, 8, 3))),
    ('primary_image', np.full((6, 8, 3), 300)), ('primary_image', np.full((6, 8, 3), -1)),
    ('primary_image', np.zeros((6, 8), np.uint8)), ('primary_image', []), ('proprio', 'text'),
    ('proprio', [[1]]), ('proprio', None), ('task_description', 5), ('encoded', 5),
    ('return_all_query_results', 'yes')])
def test_a_request_that_makes_no_sense_is_refused(field, value):
    with pytest.raises(ObservationError):
        ActRequest(body(payload(**{field: value})))


@pytest.mark.parametrize('field', [*REQUEST_IMAGES, 'proprio', 'task_description'])
def test_a_missing_field_is_refused_by_name(field):
    message = payload()
    del message[field]
    with pytest.raises(ObservationError, match=field):
        ActRequest(body(message))
