# SPDX-License-Identifier: Apache-2.0
"""Processes of nodes end on one signal, cut nothing short, and tell a failure by their status."""

import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip('rclpy')

SCRIPT = '''
import time
import rclpy
from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.nodes import lifecycle
from cosmos_policy_ros.nodes.waiting import wait_until

def slow():
    print('begin', flush=True)
    time.sleep(0.5)
    print('end', flush=True)

def make():
    node = rclpy.create_node('idle')
    {body}
    print('up', flush=True)
    return node

async def tidy(node):
    print('tidy', flush=True)
    await wait_until(node, lambda: time.monotonic() > started_s + {tidying_s},
                     timeout_s=60.0)
    print('tidied', flush=True)

started_s = time.monotonic()
raise SystemExit(lifecycle.run(make, before_end={before_end}))
'''

# Says so when callbacks run.
SPINNING = "node.create_timer(0.05, lambda: print('spins', flush=True))"


@pytest.fixture
def start(monkeypatch):
    """Start a node whose constructor does `body`; whatever still runs at the end is killed."""
    monkeypatch.setenv('ROS_DOMAIN_ID', '58')
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    started = []

    def _start(body, before_end=None, tidying_s=0.0):
        script = SCRIPT.format(body=body, before_end=before_end, tidying_s=tidying_s)
        started.append(subprocess.Popen(
            [sys.executable, '-c', script], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return started[-1]

    yield _start
    for process in started:
        process.kill()
        process.communicate()


def wait_for(process, line):
    """Read the output of a process until a line."""
    assert line in iter(process.stdout.readline, ''), process.stderr.read()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_node_that_waits_for_nothing_ends_on_one_signal(start, number):
    process = start('pass')
    wait_for(process, 'up\n')
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, '')


def test_a_signal_lets_the_running_callback_finish_and_a_second_one_changes_nothing(start):
    process = start('node.create_timer(0.01, slow)')
    wait_for(process, 'begin\n')
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=10)
    assert output.count('begin') + 1 == output.count('end')
    assert (process.returncode, errors) == (0, '')


def test_what_is_to_be_done_before_the_end_is_done_while_the_node_spins(start):
    process = start(SPINNING, before_end='tidy', tidying_s=1.0)
    wait_for(process, 'spins\n')
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=30)
    assert [line for line in output.split() if line != 'spins'] == ['tidy', 'tidied']
    assert (process.returncode, errors) == (0, '')


def test_another_signal_after_a_second_cuts_that_short(start):
    process = start(SPINNING, before_end='tidy', tidying_s=50.0)
    wait_for(process, 'spins\n')
    process.send_signal(signal.SIGINT)
    wait_for(process, 'tidy\n')
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=2.0)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert 'tidied' not in output and (process.returncode, errors) == (0, '')


def test_a_node_that_cannot_start_ends_with_status_1_and_one_line(start):
    process = start("raise ConfigurationError('no such camera')")
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (1, 'error: no such camera\n')


def test_an_unforeseen_error_of_a_callback_ends_the_process(start):
    process = start('node.create_timer(0.01, lambda: 1 / 0)')
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1 and 'ZeroDivisionError' in errors


REALTIME = '''
import os
import threading
from cosmos_policy_ros.nodes import lifecycle
{before}
lifecycle.set_realtime(20)
told = []
thread = threading.Thread(target=lambda: told.append(os.sched_getscheduler(0)))
thread.start()
thread.join()
print(os.sched_getscheduler(0) == told[0] == {policy})
'''


def may_be_realtime():
    """Tell whether this user may ask for real-time scheduling."""
    script = 'import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))'
    done = subprocess.run([sys.executable, '-c', script], stderr=subprocess.DEVNULL)
    return done.returncode == 0


@pytest.mark.parametrize('is_permitted', [True, False])
def test_all_threads_are_real_time_where_it_is_permitted_and_as_before_elsewhere(is_permitted):
    if not may_be_realtime():
        pytest.skip('needs root or an rtprio limit')
    # Nobody, without a limit for real-time priorities, may not ask for them.
    before = '' if is_permitted else (
        'import resource; resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0)); os.setuid(65534)')
    script = REALTIME.format(
        before=before, policy='os.SCHED_FIFO' if is_permitted else 'os.SCHED_OTHER')
    process = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True)
    assert (process.stdout, process.stderr) == ('True\n', '')
