# SPDX-License-Identifier: Apache-2.0
"""What is made of torch, GPU and checkpoint."""

from dataclasses import replace

import pytest
import torch

from cosmos_policy_ros.cli.checks.model import (
    check_checkpoint, check_gpu, check_model, needed_cameras)
from cosmos_policy_ros.diffusion.checkpoint import save_checkpoint
from cosmos_policy_ros.errors import CheckpointError
from cosmos_policy_ros.spec.aloha import ALOHA


@pytest.fixture(scope='module')
def folder(tiny_patch_checkpoint, tmp_path_factory):
    """A saved tiny checkpoint that counts as trained."""
    path = tmp_path_factory.mktemp('checkpoint') / 'tiny'
    save_checkpoint(path, model=tiny_patch_checkpoint.model,
                    statistics=tiny_patch_checkpoint.statistics,
                    text_embeddings=tiny_patch_checkpoint.text_embeddings)
    return path


def test_a_trained_checkpoint_is_ok_and_its_tasks_are_listed(folder):
    weights, tasks = check_checkpoint(str(folder), ALOHA)
    assert weights.result == 'ok' and weights.found.endswith('trained')
    assert str(folder) in weights.found
    assert tasks.found == 'insert the peg; transfer the cube'


def test_a_checkpoint_with_random_weights_is_a_warning():
    results = check_model('aloha_small', ALOHA)
    checkpoint, = [result for result in results if result.check == 'checkpoint']
    is_random = 'weights are random' in checkpoint.found
    assert checkpoint.result == ('warn' if is_random else 'ok')
    assert 'transfer the cube' in results[-1].found


def test_an_unknown_checkpoint_fails_listing_the_known_ones():
    outcome, = check_checkpoint('aloha_tiny', ALOHA)
    assert outcome.result == 'fail'
    assert "'aloha_tiny'" in outcome.found and 'aloha_small' in outcome.found


def test_a_truncated_checkpoint_fails(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = tmp_path / 'model.safetensors'
    weights.write_bytes(weights.read_bytes()[:-100])
    outcome, = check_checkpoint(str(tmp_path), ALOHA)
    assert outcome.result == 'fail' and 'model.safetensors' in outcome.found


def test_a_checkpoint_for_another_number_of_joints_fails(folder):
    one_arm = replace(ALOHA, arms=ALOHA.arms[:1])
    outcome = check_checkpoint(str(folder), one_arm)[-1]
    assert outcome.result == 'fail'
    assert outcome.found == "14 actions and 14 joints, allowed is 7 for robot 'interbotix'"


def test_the_cameras_that_a_checkpoint_reads_are_known():
    assert set(needed_cameras('aloha_small')) == {
        'cam_high', 'cam_left_wrist', 'cam_right_wrist'}
    with pytest.raises(CheckpointError):
        needed_cameras('aloha_tiny')


@pytest.mark.skipif(torch.cuda.is_available(), reason='this machine has a GPU')
@pytest.mark.parametrize(('script', 'result'), [
    ('echo "NVIDIA Example, 570.1, 46068 MiB"', 'fail'), ('exit 9', 'skipped'), ('', 'skipped')])
def test_a_gpu_that_only_the_driver_knows_is_a_failure(tmp_path, script, result):
    program = tmp_path / 'query'
    program.write_text(f'#!/bin/sh\n{script}\n')
    program.chmod(0o755)
    outcome, = check_gpu(str(program))
    assert outcome.result == result
    assert result == 'skipped' or 'NVIDIA Example, 570.1' in outcome.found


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='this machine has no GPU')
def test_a_gpu_that_torch_can_use_is_ok_with_its_memory():
    outcome, *_ = check_gpu()
    assert outcome.result == 'ok' and torch.cuda.get_device_name(0) in outcome.found
