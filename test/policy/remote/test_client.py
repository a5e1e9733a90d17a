# SPDX-License-Identifier: Apache-2.0
"""The remote policy against real servers: ours, slow ones, broken ones, and none at all."""

from dataclasses import replace
from queue import Queue
import socket as sockets
import subprocess
import sys
from threading import Thread
from time import perf_counter

from contracts.policy_contract import PolicyContract, same_prediction
import numpy as np
import pytest
from server_thread import DEADLINE_S, METADATA, RogueServer

from cosmos_policy_ros.errors import (
    CheckpointError, ConfigurationError, ObservationError, PredictionError)
from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy
from cosmos_policy_ros.policy.inference_worker import InferenceRequest, InferenceWorker
from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.policy.remote.client import RemotePolicy, server_url
from cosmos_policy_ros.policy.remote.codec import decode, encode
from cosmos_policy_ros.policy.remote.records import record_to_wire
from cosmos_policy_ros.policy.remote.wire import prediction_to_wire, request_from_wire


class TestRemotePolicy(PolicyContract):
    """The contract, on the tiny model behind a socket."""

    @pytest.fixture(scope='class')
    def policy(self, tiny_checkpoint, serve):
        policy = RemotePolicy(serve(CosmosPolicy(tiny_checkpoint)).url)
        yield policy
        policy.close()


@pytest.fixture
def connect():
    """Connect to a server; closed with the test."""
    policies = []

    def open_policy(server, **options):
        policies.append(RemotePolicy(server.url, **options))
        return policies[-1]
    yield open_policy
    for policy in policies:
        policy.close()


@pytest.fixture
def reply_of(gated_policy):
    """The reply to a request, with some of its fields changed."""
    def build(data, **changes):
        request, _ = request_from_wire(decode(data))
        prediction = gated_policy.predict(request.observation, request.seed)
        return encode({**prediction_to_wire(prediction), 'server_timing': {'infer_ms': 0.0},
                       **changes})
    return build


@pytest.fixture
def free_port():
    """A port on which nobody listens."""
    with sockets.socket() as free:
        free.bind(('127.0.0.1', 0))
        return free.getsockname()[1]


def test_local_and_remote_answers_are_equal_to_the_bit(
        tiny_checkpoint, serve, connect, synthetic_observation):
    local = CosmosPolicy(tiny_checkpoint)
    remote = connect(serve(local))
    for seed in range(3):
        observation = synthetic_observation(seed)
        here = local.predict(observation, seed, num_denoising_steps=2, with_future_images=True)
        there = remote.predict(observation, seed, num_denoising_steps=2, with_future_images=True)
        assert same_prediction(here, there)
        assert there.num_denoising_steps == 2 and there.mode == here.mode
        for camera, image in here.future_images.items():
            np.testing.assert_array_equal(image, there.future_images[camera])


def test_a_plan_survives_the_journey(tiny_checkpoint, serve, connect, synthetic_observation):
    local = CosmosPolicy(tiny_checkpoint)
    remote = connect(serve(local))
    assert remote.can_plan and remote.trained_values == local.trained_values
    settings = PlanningSettings(
        num_candidates=3, num_values=2, aggregation='majority_mean', num_denoising_steps_value=2)
    here = local.predict(synthetic_observation(), 5, planning=settings)
    there = remote.predict(synthetic_observation(), 5, planning=settings)
    assert same_prediction(here, there) and there.mode == 'planning'
    for name in ('winner_index', 'num_requested', 'value_kind', 'aggregation', 'search_depth',
                 'future_steps', 'value_steps', 'deadline_s', 'reason'):
        assert getattr(there.plan, name) == getattr(here.plan, name)
    for sent, arrived in zip(here.plan.candidates, there.plan.candidates, strict=True):
        assert (arrived.seed, arrived.value) == (sent.seed, sent.value)
        np.testing.assert_array_equal(arrived.chunk, sent.chunk)
        np.testing.assert_array_equal(arrived.member_values, sent.member_values)
    assert [timing.name for timing in there.plan.timings] == [
        timing.name for timing in here.plan.timings]


def test_committed_actions_travel_to_a_policy_that_can_continue(
        tiny_checkpoint, gated_policy, serve, connect, synthetic_observation):
    local = CosmosPolicy(tiny_checkpoint)
    remote = connect(serve(local))
    committed = np.tile(synthetic_observation().proprio, (2, 1))
    assert remote.can_continue
    here, there = (policy.predict(synthetic_observation(), 5, committed_actions=committed)
                   for policy in (local, remote))
    assert same_prediction(here, there)
    other = connect(serve(gated_policy))
    with pytest.raises(ConfigurationError, match="'gated' cannot begin a chunk"):
        other.predict(synthetic_observation(), 5, committed_actions=committed)


def test_the_metadata_of_the_server_are_those_of_the_policy(gated_policy, serve, connect):
    policy = connect(serve(gated_policy))
    assert not policy.can_continue
    for name in ('name', 'is_trained', 'known_tasks', 'camera_names', 'chunk_size', 'can_plan'):
        assert getattr(policy, name) == getattr(gated_policy, name)


def test_the_last_stage_is_the_transfer(gated_policy, serve, connect, synthetic_observation):
    start = perf_counter()
    timings = connect(serve(gated_policy)).predict(synthetic_observation(), 0).timings
    assert [timing.name for timing in timings] == ['wait', 'transfer']
    assert 0 < timings[-1].duration_s < perf_counter() - start


def test_a_new_episode_resets_the_policy_of_the_server_once(
        gated_policy, serve, connect, synthetic_observation):
    policy = connect(serve(gated_policy))
    policy.predict(synthetic_observation(), 0)
    assert gated_policy.num_resets == 0
    policy.reset()
    gated_policy.failure = PredictionError('not yet')
    with pytest.raises(PredictionError, match='not yet'):
        policy.predict(synthetic_observation(), 0)
    gated_policy.failure = None
    for _ in range(2):
        policy.predict(synthetic_observation(), 0)
    # Once for the query that failed, once for its repetition.
    assert gated_policy.num_resets == 2


def test_it_runs_on_the_inference_worker(gated_policy, serve, connect, synthetic_observation):
    answers = Queue()
    worker = InferenceWorker(
        connect(serve(gated_policy)), on_error=lambda _, error: answers.put(error),
        on_prediction=lambda _, prediction: answers.put(prediction.value))
    for seed in (5, 6):
        worker.submit(InferenceRequest(observation=synthetic_observation(), seed=seed))
        assert answers.get(timeout=DEADLINE_S) == seed / 1000
    assert worker.close(DEADLINE_S)


def test_no_server_is_a_configuration_error_that_says_what_to_start(free_port):
    with pytest.raises(ConfigurationError, match=f'{free_port}.*cosmos-policy serve'):
        RemotePolicy(f'127.0.0.1:{free_port}')


@pytest.mark.parametrize('token', ['', 'wrong', 'Geheim', 'größer'])
def test_a_wrong_token_is_refused(gated_policy, serve, token):
    server = serve(gated_policy, token='geheim')
    with pytest.raises(ConfigurationError, match='refuses the token'):
        RemotePolicy(server.url, token=token)
    RemotePolicy(server.url, token='geheim').close()


def test_a_server_that_still_loads_is_waited_for(gated_policy, serve, connect):
    def load(report):
        report('loading slowly')
        gated_policy.gate.wait(0.3)
        return gated_policy
    gated_policy.gate.clear()
    assert connect(serve(load=load)).name == 'gated'


def test_a_server_that_loads_for_too_long_is_reported_with_its_progress(gated_policy, serve):
    def load(report):
        report('loading slowly')
        assert gated_policy.gate.wait(DEADLINE_S)
        return gated_policy
    gated_policy.gate.clear()
    with pytest.raises(ConfigurationError, match=r'not ready within 0.2 s \(loading slowly\)'):
        RemotePolicy(serve(load=load).url, connect_timeout_s=0.2)
    gated_policy.gate.set()


def test_a_server_whose_policy_cannot_be_loaded_says_why(gated_policy, serve):
    def load(report):
        assert gated_policy.gate.wait(DEADLINE_S)
        raise CheckpointError('the weights are torn')
    gated_policy.gate.clear()
    server = serve(load=load)
    Thread(target=lambda: (gated_policy.started.wait(0.2), gated_policy.gate.set())).start()
    with pytest.raises(ConfigurationError, match='the weights are torn'):
        RemotePolicy(server.url)
    server.join()
    assert isinstance(server.error, CheckpointError)


def test_a_slow_server_is_a_failed_prediction_after_the_time_out(
        gated_policy, serve, connect, synthetic_observation):
    policy = connect(serve(gated_policy), timeout_s=0.3)
    gated_policy.gate.clear()
    start = perf_counter()
    with pytest.raises(PredictionError, match='did not answer within 0.3 s'):
        policy.predict(synthetic_observation(), 1)
    assert 0.3 <= perf_counter() - start < 3.0
    gated_policy.gate.set()
    assert policy.predict(synthetic_observation(), 2).value == 0.002


def test_a_server_that_stops_reading_does_not_hang_the_sender(connect, synthetic_observation):
    # More than what the sockets between the two can hold.
    huge = {'cam_high': np.zeros((3000, 3000, 3), np.uint8)}
    metadata = encode(record_to_wire(replace(METADATA, max_message_bytes=10**9)))
    with RogueServer(None, metadata=metadata, reads=False) as server:
        policy = connect(server, timeout_s=0.3)
        start = perf_counter()
        with pytest.raises(PredictionError, match='did not answer'):
            policy.predict(synthetic_observation(images=huge), 0)
        assert perf_counter() - start < 3.0


def test_a_connection_lost_during_a_query_is_opened_again_once(
        connect, reply_of, synthetic_observation):
    async def answer(socket, data):
        if server.num_connections == 1:
            server.transport.abort()
        else:
            await socket.send_bytes(reply_of(data))

    with RogueServer(answer) as server:
        policy = connect(server)
        assert policy.predict(synthetic_observation(), 9).value == 0.009
        assert policy.predict(synthetic_observation(), 8).value == 0.008
        assert server.num_connections == 2


def test_a_server_that_always_hangs_up_is_asked_twice_and_no_more(
        connect, synthetic_observation):
    async def answer(socket, data):
        await socket.close(code=1011, message=b'tired')

    with RogueServer(answer) as server:
        policy = connect(server)
        with pytest.raises(PredictionError, match='1011 tired'):
            policy.predict(synthetic_observation(), 0)
        assert server.num_connections == 2


def test_a_restarted_server_answers_the_next_query(
        gated_policy, serve, connect, synthetic_observation):
    first = serve(gated_policy)
    policy = connect(first)
    policy.predict(synthetic_observation(), 1)
    first.stop()
    with pytest.raises(PredictionError, match='no policy server answers'):
        policy.predict(synthetic_observation(), 1)
    serve(gated_policy, port=first.port)
    assert policy.predict(synthetic_observation(), 2).value == 0.002


def test_another_policy_behind_the_same_address_is_refused(
        gated_policy, tiny_checkpoint, serve, connect, synthetic_observation):
    first = serve(gated_policy)
    policy = connect(first)
    first.stop()
    serve(CosmosPolicy(tiny_checkpoint), port=first.port)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="another policy.*'tiny'.*'gated'"):
            policy.predict(synthetic_observation(), 1)


@pytest.mark.parametrize('changes, text', [
    ({'actions': np.full((3, 14), np.nan)}, 'not finite'),
    ({'actions': np.zeros((4, 14))}, r'shape \(4, 14\), expected \(3, 14\)'),
    ({'actions': np.zeros((3, 13))}, r'shape \(3, 13\), expected \(3, 14\)'),
    ({'value': float('nan')}, 'finite'), ({'seed': 12345}, 'another request'),
    ({'future_proprio': None}, 'future_proprio')])
def test_nonsense_is_a_failed_prediction_that_names_the_server(
        connect, reply_of, synthetic_observation, changes, text):
    async def answer(socket, data):
        await socket.send_bytes(reply_of(data, **changes))

    with RogueServer(answer) as server:
        with pytest.raises(PredictionError, match=f'{server.port} answered nonsense: .*{text}'):
            connect(server).predict(synthetic_observation(), 0)


@pytest.mark.parametrize('garbage', [b'', b'\xc1', b'\x00', encode([1, 2]), encode({})])
def test_garbage_is_a_failed_prediction_and_the_next_query_is_answered(
        connect, reply_of, synthetic_observation, garbage):
    async def answer(socket, data):
        await socket.send_bytes(garbage if server.num_connections == 1 else reply_of(data))

    with RogueServer(answer) as server:
        policy = connect(server)
        with pytest.raises(PredictionError, match='nonsense'):
            policy.predict(synthetic_observation(), 0)
        assert policy.predict(synthetic_observation(), 3).value == 0.003


@pytest.mark.parametrize('metadata', [b'\xc1', encode({'action_horizon': 50}), encode(5)])
def test_a_server_that_does_not_introduce_itself_is_refused(metadata):
    with RogueServer(None, metadata=metadata) as server:
        with pytest.raises(ConfigurationError, match='no policy server that this client knows'):
            RemotePolicy(server.url)


def test_a_server_that_says_nothing_is_given_up():
    with RogueServer(None, metadata=None) as server:
        with pytest.raises(ConfigurationError, match='not ready within 0.2 s'):
            RemotePolicy(server.url, connect_timeout_s=0.2)


def test_a_port_that_speaks_another_language_is_refused():
    with sockets.create_server(('127.0.0.1', 0)) as listener:
        def greet():
            connection, _ = listener.accept()
            connection.sendall(b'220 mail ready\r\n')
            connection.close()
        Thread(target=greet).start()
        with pytest.raises(ConfigurationError, match='no policy server'):
            RemotePolicy(f'127.0.0.1:{listener.getsockname()[1]}')


def test_an_observation_that_the_server_would_not_read_is_not_sent(
        gated_policy, serve, connect, synthetic_observation):
    policy = connect(serve(gated_policy, max_message_bytes=5000))
    with pytest.raises(ObservationError, match='reads at most 5000'):
        policy.predict(synthetic_observation(), 0)
    assert gated_policy.num_queries == 0


def test_closing_ends_a_query_on_another_thread(
        gated_policy, serve, connect, synthetic_observation):
    policy = connect(serve(gated_policy))
    gated_policy.gate.clear()
    errors = []

    def ask():
        try:
            policy.predict(synthetic_observation(), 0)
        except PredictionError as error:
            errors.append(str(error))

    thread = Thread(target=ask)
    thread.start()
    assert gated_policy.started.wait(DEADLINE_S)
    policy.close()
    thread.join(DEADLINE_S)
    assert 'closed' in errors[0]
    policy.close()
    with pytest.raises(PredictionError, match='was closed'):
        policy.predict(synthetic_observation(), 0)


@pytest.mark.parametrize('token', ['two words', 'line\n', '\x00'])
def test_a_token_that_no_header_can_carry_is_refused_by_both_sides(gated_policy, serve, token):
    server = serve(gated_policy)
    for use in (lambda: RemotePolicy(server.url, token=token),
                lambda: serve(gated_policy, token=token)):
        with pytest.raises(ConfigurationError, match='the token holds'):
            use()


def test_the_robot_needs_no_torch():
    code = ('import sys; import cosmos_policy_ros.policy.remote.client; '
            'import cosmos_policy_ros.policy.remote.server; sys.exit("torch" in sys.modules)')
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0


@pytest.mark.parametrize('address, url', [
    ('gpu:8000', 'ws://gpu:8000'), ('ws://10.0.0.2:8000/', 'ws://10.0.0.2:8000'),
    ('wss://gpu.example.org', 'wss://gpu.example.org'), ('[::1]:80', 'ws://[::1]:80')])
def test_an_address_may_leave_out_the_scheme(address, url):
    assert server_url(address) == url


@pytest.mark.parametrize('address', [
    '', ':8000', 'http://gpu:8000', 'ws://', 'gpu:port', 'gpu:99999', 'ws://gpu:8000/path',
    'ws://gpu:8000?token=x', 'gpu:0'])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ConfigurationError, match='no address of a policy server'):
        RemotePolicy(address)
