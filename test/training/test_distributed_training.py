# SPDX-License-Identifier: Apache-2.0
"""Several processes that share every batch."""

from pathlib import Path
import subprocess
import sys

import pytest
from synthetic_data import training_set

from cosmos_policy_ros.diffusion.config import save_config
from cosmos_policy_ros.training.initial_weights import untrained_model
from cosmos_policy_ros.training.settings import BatchSettings, LossSettings, OptimiserSettings
from cosmos_policy_ros.training.trainer import Trainer

NUM_STEPS = 4


def run_losses(config, rank=0, num_processes=1):
    """Train for some steps and return the losses."""
    dataset = training_set(config, rank=rank, num_processes=num_processes)
    trainer = Trainer(
        untrained_model(config, 0), settings=BatchSettings(batch_size=8), loss=LossSettings(),
        optimiser=OptimiserSettings(
            optimiser='muon', schedule='linear', warmup_steps=2, learning_rate=3e-3))
    return [trainer.learn(dataset[step], progress=step / NUM_STEPS).loss
            for step in range(NUM_STEPS)]


def test_two_processes_reproduce_the_losses_of_one(small_config, tmp_path):
    save_config(tmp_path / 'config.json', small_config)
    workers = [subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name('distributed_worker.py')),
         str(tmp_path), str(rank)], stdout=subprocess.PIPE, text=True) for rank in range(2)]
    outputs = [worker.communicate(timeout=120)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    losses = [[float(word) for word in output.split()] for output in outputs]
    assert losses[0] == losses[1]
    assert losses[0] == pytest.approx(run_losses(small_config), rel=1e-4)
