# SPDX-License-Identifier: Apache-2.0
"""The machine: Python, cores, shared memory, off-screen rendering."""

from __future__ import annotations

import os
from pathlib import Path
import shutil
import sys
import time

from cosmos_policy_ros.cli.checks.result import CheckResult, fail, ok, skipped, warn
from cosmos_policy_ros.errors import CosmosPolicyError
from cosmos_policy_ros.spec.aloha import ALOHA

PYTHON_VERSIONS = ((3, 10), (3, 13))
# Control, drivers and the middleware need cores that inference does not take.
USUAL_CORES = 4
SHARED_MEMORY = Path('/dev/shm')
# Robot, policy, arm and recorder each hold one segment.
NUM_PARTICIPANTS = 4


def check_system(segment_bytes: int) -> list[CheckResult]:
    """Look at the machine.

    Args:
        segment_bytes: Shared memory that one ROS node takes for messages in [B].
    """
    return [check_python(sys.version_info[:2]), check_cores(len(os.sched_getaffinity(0))),
            check_shared_memory(SHARED_MEMORY, segment_bytes), check_rendering()]


def check_python(version: tuple[int, int]) -> CheckResult:
    """Judge the version of Python."""
    low, high = PYTHON_VERSIONS
    found = '.'.join(map(str, version))
    if low <= version <= high:
        return ok('Python', f'{found} in {sys.prefix}')
    return fail('Python', f'{found}, allowed is {low[0]}.{low[1]} to {high[0]}.{high[1]}',
                'make PYTHON=python3.11, or the Python of the ROS installation')


def check_cores(num_cores: int) -> CheckResult:
    """Judge the number of CPU cores that this process may use."""
    if num_cores >= USUAL_CORES:
        return ok('CPU cores', f'{num_cores}')
    return warn('CPU cores', f'{num_cores}, recommended are {USUAL_CORES} or more',
                'keep torch_threads at 1 and expect late commands and slow cameras in simulation')


def check_shared_memory(folder: Path, segment_bytes: int) -> CheckResult:
    """Judge the space that the middleware has for images."""
    if not folder.is_dir():
        return warn('shared memory', f'there is no {folder}',
                    'mount it: without it the middleware sends images over the loopback network')
    free_mb, segment_mb = shutil.disk_usage(folder).free / 2**20, segment_bytes / 2**20
    needed_mb = NUM_PARTICIPANTS * segment_mb
    found = f'{free_mb:.0f} MiB free in {folder}'
    remedy = f'remove stale {folder}/fastrtps_* files; in a container, give it --shm-size=1g'
    if free_mb < segment_mb:
        return fail('shared memory', f'{found}, one node needs {segment_mb:.0f} MiB', remedy)
    if free_mb < needed_mb:
        return warn('shared memory', f'{found}, {NUM_PARTICIPANTS} nodes need up to '
                    f'{needed_mb:.0f} MiB', remedy)
    return ok('shared memory', f'{found}; {NUM_PARTICIPANTS} nodes need up to {needed_mb:.0f} MiB')


def check_rendering() -> CheckResult:
    """Draw one image of the simulated robot."""
    name = 'rendering (simulation)'
    try:
        from cosmos_policy_ros.simulation.renderer import CameraRenderer, choose_gl_backend
        from cosmos_policy_ros.simulation.simulated_aloha import SimulatedAloha
        simulation = SimulatedAloha(ALOHA, log=lambda level, text: None)
        renderer = CameraRenderer(simulation.load_visual_model())
        start_s = time.perf_counter()
        renderer.render(simulation.snapshot(), ALOHA.cameras[0].name)
        duration_s = time.perf_counter() - start_s
        renderer.close()
    except ImportError as error:
        return skipped(name, f'{error}', 'only the simulated robot needs it: install the extra '
                       "'sim'")
    except CosmosPolicyError as error:
        return warn(name, str(error), 'only the simulated robot needs it')
    return ok(name, f'MUJOCO_GL={choose_gl_backend()}, first 640x480 image in {duration_s:.2f} s')
