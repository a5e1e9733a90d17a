# SPDX-License-Identifier: Apache-2.0
"""Processes that work for this one."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from cosmos_policy_ros.worker_pool import WorkerPool


def test_an_error_ends_the_processes_at_once_and_ctrl_c_is_not_for_them():
    with pytest.raises(KeyboardInterrupt):
        with WorkerPool(1, os.nice, 0) as pool:
            child = pool.submit(os.getpid).result()
            os.kill(child, signal.SIGINT)
            assert pool.submit(os.getpid).result() == child
            pool.submit(time.sleep, 3600)
            raise KeyboardInterrupt
    assert not multiprocessing.active_children()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_processes_end_with_one_that_was_killed():
    script = ('import os, time; from cosmos_policy_ros.worker_pool import WorkerPool; '
              'pool = WorkerPool(1); print(pool.submit(os.getpid).result(), flush=True); '
              'pool.submit(time.sleep, 1000).result()')
    with subprocess.Popen([sys.executable, '-c', script], stdout=subprocess.PIPE) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    assert not psutil.wait_procs([child], timeout=10)[1]


def test_ctrl_c_is_still_for_this_process():
    with WorkerPool(1, os.nice, 0) as pool:
        pool.submit(os.getpid).result()
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
