# SPDX-License-Identifier: Apache-2.0
"""The inference worker: newest request wins, nothing ends the thread but `close`."""

from queue import Queue
from threading import Event, get_ident

import pytest

from cosmos_policy_ros.errors import PredictionError
from cosmos_policy_ros.policy.inference_worker import InferenceRequest, InferenceWorker
from cosmos_policy_ros.policy.planning_settings import PlanningSettings

DEADLINE_S = 5.0


class GatedPolicy:
    """Answers with the seed it was asked; seed 13 fails; can be held back by a gate."""

    def __init__(self):
        self.gate = Event()
        self.gate.set()
        self.started = Queue()

    def predict(self, observation, seed, *, num_denoising_steps=None, with_future_images=False,
                planning=None):
        self.started.put(seed)
        assert self.gate.wait(DEADLINE_S), 'the gate stayed closed'
        if seed == 13:
            raise PredictionError('seed 13 fails')
        return seed, num_denoising_steps, with_future_images, planning, get_ident()


@pytest.fixture
def policy():
    return GatedPolicy()


@pytest.fixture
def predictions():
    return Queue()


@pytest.fixture
def errors():
    return Queue()


@pytest.fixture
def worker(policy, predictions, errors):
    worker = InferenceWorker(
        policy, on_prediction=lambda request, result: predictions.put((request, result)),
        on_error=lambda request, error: errors.put((request, error)))
    yield worker
    policy.gate.set()
    assert worker.close(DEADLINE_S), 'the worker did not end'


@pytest.fixture
def request_for(synthetic_observation):
    observation = synthetic_observation()
    return lambda seed, **options: InferenceRequest(
        observation=observation, seed=seed, **options)


def test_a_request_is_answered_on_another_thread_with_its_options(
        worker, predictions, request_for):
    settings = PlanningSettings()
    asked = request_for(1, num_denoising_steps=4, with_future_images=True, planning=settings)
    assert worker.submit(asked)
    request, (seed, steps, images, planning, thread) = predictions.get(timeout=DEADLINE_S)
    assert request is asked
    assert (seed, steps, images) == (1, 4, True) and planning is settings
    assert thread != get_ident()


def test_a_waiting_request_is_replaced_by_a_newer_one(
        worker, policy, predictions, request_for):
    policy.gate.clear()
    worker.submit(request_for(1))
    assert policy.started.get(timeout=DEADLINE_S) == 1
    for seed in (2, 3, 4):
        worker.submit(request_for(seed))
    policy.gate.set()
    assert [predictions.get(timeout=DEADLINE_S)[0].seed for _ in range(2)] == [1, 4]
    assert predictions.empty()


def test_a_failing_policy_reports_and_the_next_request_is_answered(
        worker, predictions, errors, request_for):
    worker.submit(request_for(13))
    request, error = errors.get(timeout=DEADLINE_S)
    assert request.seed == 13 and isinstance(error, PredictionError)
    worker.submit(request_for(1))
    assert predictions.get(timeout=DEADLINE_S)[0].seed == 1


def test_failing_callbacks_do_not_end_the_thread(policy, request_for, caplog):
    answered = Queue()

    def on_prediction(request, prediction):
        if request.seed == 1:
            raise RuntimeError('callback')
        answered.put(request.seed)

    def on_error(request, error):
        answered.put(error)
        raise RuntimeError('error callback')

    worker = InferenceWorker(policy, on_prediction=on_prediction, on_error=on_error)
    worker.submit(request_for(1))
    assert str(answered.get(timeout=DEADLINE_S)) == 'callback'
    worker.submit(request_for(2))
    assert answered.get(timeout=DEADLINE_S) == 2
    assert worker.close(DEADLINE_S)
    assert 'error callback of the inference worker failed' in caplog.text


def test_a_cancelled_request_is_not_answered_but_the_running_one_is(
        worker, policy, predictions, request_for):
    policy.gate.clear()
    worker.submit(request_for(1))
    policy.started.get(timeout=DEADLINE_S)
    worker.submit(request_for(2))
    worker.cancel()
    policy.gate.set()
    assert predictions.get(timeout=DEADLINE_S)[0].seed == 1
    worker.submit(request_for(3))
    assert predictions.get(timeout=DEADLINE_S)[0].seed == 3


def test_it_is_busy_from_submission_until_the_answer_was_handed_over(
        worker, policy, predictions, request_for):
    assert not worker.is_busy
    policy.gate.clear()
    worker.submit(request_for(1))
    assert worker.is_busy
    policy.started.get(timeout=DEADLINE_S)
    assert worker.is_busy


def test_closing_drops_the_waiting_request_and_refuses_new_ones(
        policy, predictions, errors, request_for):
    worker = InferenceWorker(
        policy, on_prediction=lambda *answer: predictions.put(answer),
        on_error=lambda *answer: errors.put(answer))
    policy.gate.clear()
    worker.submit(request_for(1))
    policy.started.get(timeout=DEADLINE_S)
    worker.submit(request_for(2))
    assert not worker.close(0.01), 'a request is still being answered'
    assert not worker.submit(request_for(3))
    policy.gate.set()
    assert worker.close(DEADLINE_S)
    assert predictions.get(timeout=DEADLINE_S)[0].seed == 1
    assert predictions.empty() and errors.empty()


def test_an_idle_worker_closes_at_once_and_twice(policy):
    worker = InferenceWorker(
        policy, on_prediction=lambda *answer: None, on_error=lambda *answer: None)
    assert worker.close(DEADLINE_S)
    assert worker.close(DEADLINE_S)
