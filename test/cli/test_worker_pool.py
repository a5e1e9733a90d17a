# SPDX-License-Identifier: Apache-2.0
"""Processes that run seeds."""

import multiprocessing
import os
import signal
import time

import pytest

from cosmos_policy_ros.cli.worker_pool import WorkerPool


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


def test_ctrl_c_is_still_for_this_process():
    with WorkerPool(1, os.nice, 0) as pool:
        pool.submit(os.getpid).result()
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
