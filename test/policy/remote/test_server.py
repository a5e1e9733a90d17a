# SPDX-License-Identifier: Apache-2.0
"""The policy server as foreign clients see it: bytes over sockets, JSON over HTTP."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
import json
from threading import Event
import time

import aiohttp
import msgpack
import numpy as np
import pytest
from server_thread import DEADLINE_S

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy
from cosmos_policy_ros.policy.remote.codec import decode, encode
from cosmos_policy_ros.policy.remote.json_codec import decode_json, encode_json

STATE = np.linspace(0, 1, 14)


def openpi_request(**changes):
    """Return the bytes of a request, written without our codec."""
    image = np.zeros((3, 24, 32), np.uint8)
    arrays = {'state': STATE, 'image': image}
    wire = {name: {b'__ndarray__': True, b'data': array.tobytes(), b'dtype': array.dtype.str,
                   b'shape': array.shape} for name, array in arrays.items()}
    return msgpack.packb({'state': wire['state'], 'images': {'cam_high': wire['image']},
                          'prompt': 'do something', **changes})


def converse(server, *messages, token=None):
    """Send messages over one websocket; returns what was received, the metadata first."""
    async def talk():
        headers = {'Authorization': f'Api-Key {token}'} if token else {}
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(server.url, headers=headers) as socket:
                received = [await socket.receive(DEADLINE_S)]
                for message in messages:
                    await (socket.send_str if isinstance(message, str) else socket.send_bytes)(
                        message)
                    received.append(await socket.receive(DEADLINE_S))
                return received
    return asyncio.run(talk())


def http(server, method, path, body=None, headers=None):
    """Return status and body of an HTTP request."""
    connection = HTTPConnection('127.0.0.1', server.port, timeout=DEADLINE_S)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    result = response.status, response.read().decode()
    connection.close()
    return result


def act_body(**changes):
    """Return the body of a request of the reference's client."""
    image = np.zeros((24, 32, 3), np.uint8)
    return encode_json({
        'primary_image': image, 'left_wrist_image': image, 'right_wrist_image': image,
        'proprio': STATE, 'task_description': 'transfer the cube', **changes})


def test_a_client_of_openpi_is_answered(gated_policy, serve):
    metadata, first, second = converse(serve(gated_policy), openpi_request(), openpi_request())
    assert msgpack.unpackb(metadata.data)['name'] == 'gated'
    reply = msgpack.unpackb(first.data)
    actions = reply['actions']
    assert (actions[b'dtype'], actions[b'shape']) == ('<f8', [3, 14])
    assert actions[b'data'] == STATE.tobytes() * 3
    assert reply['server_timing']['infer_ms'] >= 0
    assert 'prev_total_ms' not in reply['server_timing']
    timing = msgpack.unpackb(second.data)['server_timing']
    assert timing['prev_total_ms'] >= reply['server_timing']['infer_ms']


@pytest.mark.parametrize('request_, text', [
    (b'\xc1', 'CodecError: cannot decode'), (openpi_request(prompt=None), 'ObservationError'),
    (openpi_request(prompt='transfer the cube', images={}), 'no image of'),
    (encode({}), "no 'images'"),
    (openpi_request(state={b'__ndarray__': True, b'data': b'x', b'dtype': '|O', b'shape': [1]}),
     "CodecError: dtype '|O' is not allowed")])
def test_a_bad_request_is_answered_with_text_and_the_connection_stays(
        tiny_checkpoint, serve, request_, text):
    good = openpi_request(prompt='transfer the cube', images={
        camera: {b'__ndarray__': True, b'data': bytes(24 * 32 * 3), b'dtype': '|u1',
                 b'shape': [24, 32, 3]}
        for camera in ('cam_high', 'cam_left_wrist', 'cam_right_wrist')})
    _, error, reply = converse(serve(CosmosPolicy(tiny_checkpoint)), request_, good)
    assert error.type is aiohttp.WSMsgType.TEXT and text in error.data
    assert decode(reply.data)['actions'].shape == (6, 14)


def test_an_unknown_task_is_answered_with_those_that_are_known(tiny_checkpoint, serve):
    _, error = converse(serve(CosmosPolicy(tiny_checkpoint)), openpi_request())
    assert error.data.startswith("ConfigurationError: unknown task 'do something'")
    assert 'transfer the cube' in error.data


def test_a_failure_that_nobody_foresaw_is_told_and_ends_the_connection_only(
        gated_policy, serve, caplog):
    server = serve(gated_policy)
    gated_policy.failure = RuntimeError('out of memory')
    _, error, farewell = converse(server, openpi_request(), openpi_request())
    assert error.data == 'RuntimeError: out of memory'
    assert farewell.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    assert 'a connection failed' in caplog.text
    gated_policy.failure = None
    assert len(converse(server, openpi_request())) == 2


def test_a_text_instead_of_a_message_closes_the_connection(gated_policy, serve):
    _, farewell = converse(serve(gated_policy), 'hello')
    assert farewell.type is aiohttp.WSMsgType.CLOSE and farewell.data == 1008


def test_a_message_that_is_too_large_closes_the_connection(gated_policy, serve):
    server = serve(gated_policy, max_message_bytes=3000)
    _, reply, farewell = converse(server, openpi_request(), bytes(3001))
    assert reply.type is aiohttp.WSMsgType.BINARY
    assert farewell.type is aiohttp.WSMsgType.CLOSE and farewell.data == 1009


def test_the_model_answers_one_query_at_a_time(gated_policy, serve):
    server = serve(gated_policy)
    gated_policy.gate.clear()
    with ThreadPoolExecutor() as pool:
        talks = [pool.submit(converse, server, openpi_request(seed=seed)) for seed in range(4)]
        act = pool.submit(http, server, 'POST', '/act', act_body())
        assert gated_policy.started.wait(DEADLINE_S)
        assert http(server, 'GET', '/healthz')[0] == 200
        gated_policy.gate.set()
        assert [decode(talk.result()[1].data)['seed'] for talk in talks] == [0, 1, 2, 3]
        assert act.result()[0] == 200
    assert gated_policy.num_queries == 5 and gated_policy.max_running == 1


def test_pings_are_answered_while_the_model_works(gated_policy, serve):
    server = serve(gated_policy)
    gated_policy.gate.clear()

    async def talk():
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(server.url, autoping=False) as socket:
                await socket.receive(DEADLINE_S)
                await socket.send_bytes(openpi_request())
                await socket.ping()
                pong = await socket.receive(DEADLINE_S)
                gated_policy.gate.set()
                return pong.type, (await socket.receive(DEADLINE_S)).type
    assert asyncio.run(talk()) == (aiohttp.WSMsgType.PONG, aiohttp.WSMsgType.BINARY)


def test_a_query_whose_client_has_gone_is_dropped(gated_policy, serve):
    server = serve(gated_policy)
    gated_policy.gate.clear()

    async def ask_and_leave():
        async with aiohttp.ClientSession() as session:
            sockets = [await session.ws_connect(server.url) for _ in range(2)]
            for socket in sockets:
                await socket.receive(DEADLINE_S)
                await socket.send_bytes(openpi_request())
            while not gated_policy.started.is_set():
                await asyncio.sleep(0.01)
            for socket in sockets:
                await socket.close()
    asyncio.run(ask_and_leave())
    # An answer of the event loop: by then it has noticed that the clients left.
    http(server, 'GET', '/healthz')
    gated_policy.gate.set()
    # The next answer comes after whatever was waiting in line.
    converse(server, openpi_request())
    assert gated_policy.num_queries == 2


def test_health_says_how_far_loading_is(gated_policy, serve):
    reported = Event()

    def load(report):
        report('loading the weights')
        reported.set()
        assert gated_policy.gate.wait(DEADLINE_S)
        return gated_policy

    gated_policy.gate.clear()
    server = serve(load=load)
    assert reported.wait(DEADLINE_S)
    assert http(server, 'GET', '/healthz') == (503, 'loading the weights\n')
    assert http(server, 'POST', '/act', act_body()) == (503, '"error: loading the weights"')
    gated_policy.gate.set()
    converse(server, openpi_request())
    assert http(server, 'GET', '/healthz') == (200, 'OK\n')


def test_a_token_guards_everything_but_health(gated_policy, serve):
    server = serve(gated_policy, token='geheim')
    assert http(server, 'GET', '/healthz')[0] == 200
    for header in ({}, {'Authorization': 'Api-Key wrong'}, {'Authorization': 'geheim'},
                   {'Authorization': 'Bearer geheim'}, {'Authorization': b'Api-Key \xff'}):
        assert http(server, 'POST', '/act', act_body(), header)[0] == 401
    with pytest.raises(aiohttp.WSServerHandshakeError, match='401'):
        converse(server, token='wrong')
    assert gated_policy.num_queries == 0
    right = {'Authorization': 'Api-Key geheim'}
    assert http(server, 'POST', '/act', act_body(), right)[0] == 200
    assert len(converse(server, openpi_request(), token='geheim')) == 2


def test_a_client_of_the_reference_is_answered(tiny_checkpoint, serve):
    policy = CosmosPolicy(tiny_checkpoint)
    status, text = http(serve(policy), 'POST', '/act', act_body())
    reply = decode_json(text)
    assert status == 200
    assert [action.shape for action in reply['actions']] == [(14,)] * policy.chunk_size
    assert 0 <= reply['value_prediction'] <= 1
    assert set(reply['future_image_predictions']) == {
        'future_image', 'future_wrist_image', 'future_wrist_image2'}
    for image in reply['future_image_predictions'].values():
        assert image.dtype == np.uint8 and image.shape == (32, 32, 3)


@pytest.mark.parametrize('body, status, text', [
    (b'{', 400, 'CodecError'), (act_body(task_description='unknown'), 400, 'unknown task'),
    (act_body(proprio=STATE[:-1]), 400, 'proprio has 13'), (b'{}', 400, 'primary_image'),
    (bytes(70_001), 413, '70000 bytes')])
def test_an_error_over_http_has_a_status_and_a_json_text(
        tiny_checkpoint, serve, body, status, text):
    server = serve(CosmosPolicy(tiny_checkpoint), max_message_bytes=70_000)
    answered, reply = http(server, 'POST', '/act', body)
    assert answered == status
    assert json.loads(reply).startswith('error') and text in json.loads(reply)


def test_an_unforeseen_failure_over_http_is_status_500(gated_policy, serve):
    gated_policy.failure = RuntimeError('out of memory')
    assert http(serve(gated_policy), 'POST', '/act', act_body()) == (
        500, '"error: RuntimeError: out of memory"')


def test_stopping_says_goodbye_to_idle_clients(gated_policy, serve):
    server = serve(gated_policy)

    async def wait():
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(server.url) as socket:
                await socket.receive(DEADLINE_S)
                stopped = asyncio.get_running_loop().run_in_executor(None, server.stop)
                farewell = await socket.receive(DEADLINE_S)
                await stopped
                return farewell.data
    start = time.monotonic()
    assert asyncio.run(wait()) == 1001
    assert time.monotonic() - start < 5.0 and server.error is None


def test_a_port_that_is_taken_is_refused_before_anything_is_loaded(gated_policy, serve):
    port = serve(gated_policy).port
    loads = []
    second = serve(load=loads.append, port=port)
    second.join()
    assert isinstance(second.error, ConfigurationError)
    assert f'127.0.0.1:{port}' in str(second.error) and not loads
