# SPDX-License-Identifier: Apache-2.0
"""The folder of a training run: checkpoints that are complete or not there, and its log.

    checkpoints/step_00001000/   a checkpoint that `load_checkpoint` reads, and `training.pt`
    model/                       the newest model alone
    run.json                     what was trained how, and how far it got
    metrics.jsonl                one line per report
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import json
from pathlib import Path
import pickle
import shutil
from typing import Any

import torch
from torch import distributed

from cosmos_policy_ros.diffusion.checkpoint import save_checkpoint
from cosmos_policy_ros.diffusion.checkpoint_files import (
    CONFIG_FILE, STATISTICS_FILES, TEXT_FILE)
from cosmos_policy_ros.diffusion.config import save_config
from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
from cosmos_policy_ros.diffusion.text_embedding import save_text_embeddings, TextEmbeddings
from cosmos_policy_ros.errors import CheckpointError
from cosmos_policy_ros.recording.durable_file import write_durably
from cosmos_policy_ros.spec.statistics import DatasetStatistics, save_statistics
from cosmos_policy_ros.training.sharding import save_shards
from cosmos_policy_ros.training.trainer import Trainer

CARD_FILE = 'run.json'
METRICS_FILE = 'metrics.jsonl'
STATE_FILE = 'training.pt'
MODEL_FOLDER = 'model'
_NAME = 'step_{:08d}'


@contextmanager
def _replacing(path: Path, *, keep_draft: bool = False) -> Iterator[Path]:
    """Lend a draft of a folder, which takes its place once it is complete."""
    draft = path.with_name(f'.{path.name}.draft')
    if not keep_draft:
        shutil.rmtree(draft, ignore_errors=True)
    try:
        yield draft
        shutil.rmtree(path, ignore_errors=True)
        draft.rename(path)
    # A full disk is an OSError here, a RuntimeError in torch and its own in safetensors.
    except Exception as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise CheckpointError(f'cannot write checkpoint {path}: {error}') from error


class RunFolder:
    """Writes and reads the folder of a run.

    Args:
        path: The folder; made if it is missing.
        keep: Newest checkpoints that stay.
    """

    def __init__(self, path: Path, *, keep: int = 2) -> None:
        self.path = path
        self._keep = keep
        try:
            (path / 'checkpoints').mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f'cannot make {path}: {error.strerror}') from error

    @property
    def model(self) -> Path:
        """Folder of the newest model alone."""
        return self.path / MODEL_FOLDER

    @property
    def checkpoints(self) -> list[Path]:
        """Complete checkpoints, oldest first."""
        return sorted((self.path / 'checkpoints').glob(_NAME.format(0)[:5] + '*'))

    def save(
        self, state: Mapping[str, Any], *, model: CosmosModel, statistics: DatasetStatistics,
        text_embeddings: TextEmbeddings,
    ) -> Path:
        """Write a checkpoint and remove the oldest.

        Raises:
            CheckpointError: If the disk refuses; the checkpoints before it stay.
        """
        path = self.path / 'checkpoints' / _NAME.format(state['step'])
        with _replacing(path) as draft:
            save_checkpoint(draft, model=model, statistics=statistics,
                            text_embeddings=text_embeddings)
            torch.save(dict(state), draft / STATE_FILE)
        self._forget_oldest()
        return path

    def _forget_oldest(self) -> None:
        for old in self.checkpoints[:-self._keep]:
            shutil.rmtree(old, ignore_errors=True)

    def save_shards(
        self, facts: Mapping[str, Any], *, trainer: Trainer, statistics: DatasetStatistics,
        text_embeddings: TextEmbeddings,
    ) -> None:
        """Write a checkpoint of a model that is spread over processes; all call this at once.

        Raises:
            CheckpointError: If the disk refuses; the checkpoints before it stay.
        """
        path = self.path / 'checkpoints' / _NAME.format(trainer.step)
        draft = path.with_name(f'.{path.name}.draft')
        save_shards(draft, trainer.model, trainer.optimisers)
        if distributed.get_rank() == 0:
            with _replacing(path, keep_draft=True):
                save_config(draft / CONFIG_FILE, trainer.model.config)
                save_statistics(draft / STATISTICS_FILES[0], statistics)
                save_text_embeddings(draft / TEXT_FILE, text_embeddings)
                torch.save({'step': trainer.step, **facts}, draft / STATE_FILE)
            self._forget_oldest()
        distributed.barrier()

    def export(
        self, *, model: CosmosModel, statistics: DatasetStatistics,
        text_embeddings: TextEmbeddings,
    ) -> Path:
        """Write the model alone, as other commands load it.

        Raises:
            CheckpointError: If the disk refuses; the model before it stays.
        """
        with _replacing(self.model) as draft:
            save_checkpoint(draft, model=model, statistics=statistics,
                            text_embeddings=text_embeddings)
        return self.model

    def load_state(self, path: Path) -> dict[str, Any]:
        """Read the state beside the weights of a checkpoint; no code of it is run.

        Raises:
            CheckpointError: If it is missing or damaged.
        """
        try:
            return torch.load(path / STATE_FILE, weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError, LookupError,
                AttributeError) as error:
            raise CheckpointError(f'cannot read {path / STATE_FILE}: {error}') from error

    def write_card(self, card: Mapping[str, Any]) -> None:
        """Write what the run is."""
        try:
            write_durably(self.path / CARD_FILE, json.dumps(card, indent=2) + '\n')
        except OSError as error:
            raise CheckpointError(f'cannot write {self.path / CARD_FILE}: {error}') from error

    def read_card(self) -> dict[str, Any]:
        """Read what the run is.

        Raises:
            CheckpointError: If there is none.
        """
        try:
            return json.loads((self.path / CARD_FILE).read_text())
        except (OSError, ValueError) as error:
            raise CheckpointError(f'cannot read {self.path / CARD_FILE}: {error}') from error

    def log(self, entry: Mapping[str, Any]) -> None:
        """Append a report to the log."""
        try:
            with (self.path / METRICS_FILE).open('a') as file:
                file.write(json.dumps(entry) + '\n')
        except OSError as error:
            raise CheckpointError(f'cannot write {self.path / METRICS_FILE}: {error}') from error
