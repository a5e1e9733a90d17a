# SPDX-License-Identifier: Apache-2.0
"""What the policy runs on: torch, GPU, checkpoint."""

from __future__ import annotations

from functools import cache
import shutil
import subprocess
import time

import torch

from cosmos_policy_ros.cli.checks.result import CheckResult, fail, ok, skipped, warn
from cosmos_policy_ros.diffusion.checkpoint import Checkpoint, load_checkpoint
from cosmos_policy_ros.diffusion.checkpoint_paths import find_checkpoint
from cosmos_policy_ros.errors import CosmosPolicyError
from cosmos_policy_ros.policy.device import choose_device
from cosmos_policy_ros.policy.preprocessing import cameras_for_views
from cosmos_policy_ros.spec.robot import RobotSpec

# A model this large takes seconds per chunk without a GPU.
LARGE_MODEL_PARAMETERS = 200_000_000
_NVIDIA_QUERY = ('--query-gpu=name,driver_version,memory.total', '--format=csv,noheader')
_NVIDIA_TIMEOUT_S = 20.0


def check_model(checkpoint: str, robot: RobotSpec) -> list[CheckResult]:
    """Look at torch, GPU and checkpoint.

    Args:
        checkpoint: Folder of a checkpoint, or the name of one in models/.
        robot: The robot that it has to drive.
    """
    return [ok('torch', f'{torch.__version__}, {torch.get_num_threads()} CPU threads'),
            *check_gpu(), *check_checkpoint(checkpoint, robot)]


def needed_cameras(checkpoint: str) -> tuple[str, ...]:
    """Return the cameras that a checkpoint reads.

    Raises:
        CosmosPolicyError: If it cannot be loaded.
    """
    return cameras_for_views(_load(checkpoint).model.layout.views)


@cache
def _load(checkpoint: str) -> Checkpoint:
    return load_checkpoint(checkpoint, device=choose_device('auto'))


def check_gpu(query: str = 'nvidia-smi') -> list[CheckResult]:
    """Compare the GPUs that the driver knows with what torch can use.

    Args:
        query: Name or path of NVIDIA's query program.
    """
    gpus = _gpus_of_driver(query)
    if torch.cuda.is_available():
        return [_usable_gpu(index, gpus) for index in range(torch.cuda.device_count())]
    if gpus:
        build = torch.version.cuda or 'no CUDA'
        return [fail('GPU', f'the driver knows {"; ".join(gpus)}, but torch with {build} cannot '
                     'use it', 'install the torch build for this driver (TORCH_INDEX_URL)')]
    return [skipped('GPU', 'no NVIDIA GPU: the model runs on the CPU')]


def _usable_gpu(index: int, gpus: list[str]) -> CheckResult:
    free, total = torch.cuda.mem_get_info(index)
    driver = f'; driver says {gpus[index]}' if index < len(gpus) else ''
    return ok('GPU', f'{torch.cuda.get_device_name(index)}, {free / 2**30:.1f} of '
              f'{total / 2**30:.1f} GiB free, torch with CUDA {torch.version.cuda}{driver}')


def _gpus_of_driver(query: str) -> list[str]:
    """Name, driver version and memory of every GPU; empty without a working driver."""
    program = shutil.which(query)
    if program is None:
        return []
    try:
        answer = subprocess.run([program, *_NVIDIA_QUERY], capture_output=True, text=True,
                                timeout=_NVIDIA_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()]


def check_checkpoint(checkpoint: str, robot: RobotSpec) -> list[CheckResult]:
    """Load a checkpoint as policy_node would, strictly, and compare it with the robot."""
    start_s = time.perf_counter()
    try:
        loaded = _load(checkpoint)
    except CosmosPolicyError as error:
        return [fail('checkpoint', str(error), 'see models/README.md for how to get weights, or '
                     'choose another one with --checkpoint')]
    duration_s = time.perf_counter() - start_s
    num_parameters = sum(parameter.numel() for parameter in loaded.model.parameters())
    found = (f'{find_checkpoint(checkpoint).resolve()}: {num_parameters / 1e6:.1f} M parameters '
             f'loaded in {duration_s:.1f} s')
    results = [_judge_checkpoint(found, loaded.is_trained, num_parameters),
               ok('tasks', '; '.join(loaded.text_embeddings.tasks))]
    config = loaded.model.config
    if {config.action_dim, config.proprio_dim} != {robot.num_joints}:
        results.append(fail(
            'checkpoint', f'{config.action_dim} actions and {config.proprio_dim} joints, allowed '
            f'is {robot.num_joints} for robot {robot.name!r}', 'choose another checkpoint'))
    return results


def _judge_checkpoint(found: str, is_trained: bool, num_parameters: int) -> CheckResult:
    if not is_trained:
        return warn('checkpoint', f'{found}; it is not trained: its weights are random',
                    'do not let it move a real robot: train it, or choose another one with '
                    '--checkpoint')
    if num_parameters > LARGE_MODEL_PARAMETERS and not torch.cuda.is_available():
        return warn('checkpoint', f'{found}; there is no GPU for a model of this size',
                    'run policy_node on a machine with a GPU')
    return ok('checkpoint', f'{found}; trained')
