# SPDX-License-Identifier: Apache-2.0
"""The JSON interface of the reference implementation, `POST /act`, for clients that exist.

Request: `primary_image`, `left_wrist_image`, `right_wrist_image` (H, W, 3), `proprio` (14,), all
json-numpy arrays or nested lists; `task_description`; optionally `return_all_query_results`. Or
`{"encoded": text}` with that object as JSON in a text; the reply is then JSON in a text too.

Reply: `actions`, a list of K arrays (14,); `future_image_predictions`; the value as
`value_prediction`, which the reference server sends, and as `value_predictions`, which its client
reads. With `return_all_query_results` also the lists over candidates, here of one; the lists over
search depths hold nothing, because nothing was searched.

An error is a JSON text `error: ...` as in the reference, where it is just `error`; but its HTTP
status tells that it is one.
"""

from __future__ import annotations

import numpy as np

from cosmos_policy_ros.errors import ObservationError
from cosmos_policy_ros.policy.inference_worker import InferenceRequest
from cosmos_policy_ros.policy.remote.fields import Fields
from cosmos_policy_ros.policy.remote.json_codec import decode_json, encode_json
from cosmos_policy_ros.policy.remote.wire import DEFAULT_SEED
from cosmos_policy_ros.spec.observation import Observation
from cosmos_policy_ros.spec.prediction import Prediction

REQUEST_IMAGES = {'primary_image': 'cam_high', 'left_wrist_image': 'cam_left_wrist',
                  'right_wrist_image': 'cam_right_wrist'}
REPLY_IMAGES = {'future_image': 'cam_high', 'future_wrist_image': 'cam_left_wrist',
                'future_wrist_image2': 'cam_right_wrist'}
_ALL_RESULTS = 'return_all_query_results'
_ENCODED = 'encoded'


class ActRequest:
    """One request of the reference's client.

    Args:
        body: Body of the HTTP request.

    Raises:
        CodecError: If the body is not JSON.
        ObservationError: If a field is missing or not what it must be.
    """

    def __init__(self, body: bytes) -> None:
        message = decode_json(body)
        self._is_encoded = isinstance(message, dict) and _ENCODED in message
        if self._is_encoded:
            message = decode_json(Fields('the request', message, ObservationError).text(_ENCODED))
        fields = Fields('the request', message, ObservationError)
        self._wants_all = fields.has(_ALL_RESULTS) and fields.flag(_ALL_RESULTS)
        self.request = InferenceRequest(
            observation=_observation(fields), seed=DEFAULT_SEED, with_future_images=True)

    def reply(self, prediction: Prediction) -> str:
        """Return the body of the HTTP response."""
        actions = list(prediction.chunk.positions)
        images = _future_images(prediction)
        reply: dict[str, object] = {
            'actions': actions, 'future_image_predictions': images,
            'value_prediction': prediction.value, 'value_predictions': prediction.value}
        if self._wants_all:
            reply |= {'all_actions': [actions], 'all_future_image_predictions': [images],
                      'all_value_predictions': [prediction.value], 'all_actions_by_depth': [[]],
                      'all_future_image_predictions_by_depth': [[]],
                      'all_value_predictions_by_depth': [[]]}
        text = encode_json(reply)
        return encode_json(text) if self._is_encoded else text


def _observation(fields: Fields) -> Observation:
    return Observation(
        images={camera: _as_bytes(fields, key) for key, camera in REQUEST_IMAGES.items()},
        proprio=fields.numbers('proprio'), stamp_ns=0, task=fields.text('task_description'))


def _as_bytes(fields: Fields, key: str) -> np.ndarray:
    image = fields.numbers(key)
    if image.size and not (image.dtype.kind in 'iu' and 0 <= image.min() <= image.max() <= 255):
        raise ObservationError(
            f'{key} of the request must hold integers from 0 to 255; its dtype is {image.dtype}')
    return image.astype(np.uint8)


def _future_images(prediction: Prediction) -> dict[str, np.ndarray] | None:
    images = prediction.future_images
    return {key: images[camera] for key, camera in REPLY_IMAGES.items()
            if camera in images} or None
