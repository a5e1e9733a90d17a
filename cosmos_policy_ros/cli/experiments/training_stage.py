# SPDX-License-Identifier: Apache-2.0
"""A training as a stage: goes on from its newest checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from cosmos_policy_ros.cli.experiments.stage import Stage
from cosmos_policy_ros.cli.train import TrainOptions


def training_stage(name: str, title: str, options: TrainOptions) -> Stage:
    """Return the stage of a run; its facts are those of `TrainingResult`."""
    return Stage(
        name=name, title=title, results=[options.output / 'model'], run=lambda: _train(options),
        settings={'data': [str(path) for path in options.data], 'config': options.config,
                  'sigma_min': options.sigma_min, 'init': options.init,
                  'steps': options.steps, 'minutes': options.minutes,
                  'validation_share': options.validation_share,
                  'training': asdict(options.training)})


def _train(options: TrainOptions) -> Mapping[str, Any]:
    # Torch takes seconds to import; stages that are done need it not.
    from cosmos_policy_ros.cli.training_run.session import run_session
    from cosmos_policy_ros.training.run_folder import RunFolder
    has_begun = bool(RunFolder(options.output).checkpoints)
    result = run_session(replace(options, resume=has_begun))
    if not result.is_complete:
        raise KeyboardInterrupt
    return {'num_steps': result.num_steps, 'data_identity': result.data_identity,
            'validation': list(result.validation)}


def action_errors(facts: Mapping[str, Any]) -> dict[int, float]:
    """Return denoising steps to the error of a chunk on held-out demonstrations in [rad]."""
    return {report['num_steps']: report['action'] for report in facts['validation']}
