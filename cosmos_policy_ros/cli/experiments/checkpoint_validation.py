# SPDX-License-Identifier: Apache-2.0
"""The error of a given checkpoint's chunks on demonstrations that training sets aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from rich.console import Console

from cosmos_policy_ros.cli.train import TrainOptions


def validate_checkpoint(
    checkpoint: str, options: TrainOptions, num_steps: Sequence[int], console: Console,
) -> Mapping[str, Any]:
    """Return `validation`: a report per number of denoising steps; none without held-out data.

    Args:
        checkpoint: Folder of the checkpoint, or its name.
        options: A training whose held-out episodes are taken.
        num_steps: Numbers of denoising steps.
        console: Where to show the preparation of the data.

    Raises:
        CosmosPolicyError: If checkpoint or data cannot be used.
    """
    # Torch takes seconds to import; stages that are done need it not.
    import torch

    from cosmos_policy_ros.cli.training_run.data import read_data
    from cosmos_policy_ros.diffusion.checkpoint import load_checkpoint
    from cosmos_policy_ros.policy.device import choose_device, limit_threads
    from cosmos_policy_ros.training.training_set import TrainingSet
    from cosmos_policy_ros.training.validation import validate
    limit_threads(options.threads)
    device = choose_device(options.device)
    loaded = load_checkpoint(checkpoint, device=device, dtype=torch.float32)
    data = read_data(options, loaded.model.config, console)
    if not data.held_out:
        return {'validation': []}
    samples = TrainingSet(
        data.held_out, config=loaded.model.config, statistics=loaded.statistics,
        texts=loaded.text_embeddings.by_task, batch_size=1, seed=0,
        samples=replace(options.training.samples, demonstration_share=1.0))
    reports = validate(
        loaded.model, samples.fixed(options.validation_samples, seed=0).to(device),
        loaded.statistics, num_steps)
    return {'validation': [asdict(report) for report in reports]}
