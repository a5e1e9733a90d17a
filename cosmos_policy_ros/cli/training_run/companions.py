# SPDX-License-Identifier: Apache-2.0
"""Processes on this machine that train together with the one that the user started."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
import multiprocessing
from multiprocessing.process import BaseProcess
import os
from pathlib import Path
import sys
from tempfile import TemporaryDirectory

from torch import distributed

from cosmos_policy_ros.errors import ConfigurationError, CosmosPolicyError, TrainingError
from cosmos_policy_ros.policy.device import choose_device

_PATIENCE_S = 10.0


def check_companions(num_processes: int, device: str) -> None:
    """Refuse processes that cannot be.

    Raises:
        ConfigurationError: If the count is impossible, or the device is not a CPU.
    """
    if num_processes < 1:
        raise ConfigurationError(f'processes is {num_processes}; at least 1 is required')
    if 'RANK' in os.environ:
        raise ConfigurationError(
            f'processes is {num_processes} under torchrun, which starts processes itself; '
            'allowed is 1')
    if choose_device(device).type != 'cpu':
        raise ConfigurationError(
            f'processes is {num_processes} on device {device!r}; on GPUs start them with torchrun')


@contextmanager
def companions(num_processes: int, work: Callable[[], object]) -> Iterator[None]:
    """Let other processes do the same work, as a process group whose first this one is.

    Args:
        num_processes: How many there are, with this one.
        work: What the others do; it goes to them by pickling.

    Raises:
        TrainingError: If one of them ends before its time.
    """
    with TemporaryDirectory() as folder:
        place = Path(folder) / 'rendezvous'
        context = multiprocessing.get_context('spawn')
        others = [context.Process(target=_join, args=(rank, num_processes, place, work))
                  for rank in range(1, num_processes)]
        for other in others:
            other.start()
        try:
            _meet(0, num_processes, place)
            yield
            distributed.barrier()
        except RuntimeError as error:
            # A collective operation fails in its own words when somebody has gone.
            _raise_if_gone(others, error)
            raise
        finally:
            if distributed.is_initialized():
                distributed.destroy_process_group()
            for other in others:
                other.join(_PATIENCE_S)
                other.terminate()
                other.join()


def _raise_if_gone(others: Sequence[BaseProcess], error: RuntimeError) -> None:
    for other in others:
        other.join(1.0)
    statuses = [other.exitcode for other in others if other.exitcode]
    if statuses:
        raise TrainingError(
            f'{len(statuses)} of {len(others) + 1} training processes ended (exit status '
            f'{", ".join(map(str, statuses))}); --resume goes on from the newest checkpoint'
        ) from error


def _join(
    rank: int, num_processes: int, place: Path, work: Callable[[], object],
) -> None:
    _meet(rank, num_processes, place)
    try:
        work()
        # Who leaves early takes the ends of connections away that others may be using.
        distributed.barrier()
    except CosmosPolicyError:
        # The first process refuses the same, and tells the user.
        sys.exit(1)
    finally:
        distributed.destroy_process_group()


def _meet(rank: int, num_processes: int, place: Path) -> None:
    distributed.init_process_group(
        'gloo', init_method=f'file://{place}', rank=rank, world_size=num_processes)
