# SPDX-License-Identifier: Apache-2.0
"""Task texts and their precomputed embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
import torch
from torch import Tensor

from cosmos_policy_ros.errors import CheckpointError, ConfigurationError


@dataclass(frozen=True, kw_only=True)
class TextEmbeddings:
    """Embeddings of the tasks that a model knows.

    Attributes:
        by_task: Task text to embedding of shape (M, D), M text tokens of D channels.
    """

    by_task: Mapping[str, Tensor]

    @property
    def tasks(self) -> tuple[str, ...]:
        """Texts of the known tasks, sorted."""
        return tuple(sorted(self.by_task))

    def embedding(self, task: str) -> Tensor:
        """Return the embedding of a task. Shape (M, D).

        Raises:
            ConfigurationError: If the task is unknown; texts are compared letter by letter.
        """
        if task not in self.by_task:
            raise ConfigurationError(
                f'unknown task {task!r}; this model knows: '
                + ', '.join(repr(known) for known in self.tasks))
        return self.by_task[task]


def load_text_embeddings(path: Path, *, num_tokens: int, text_dim: int) -> TextEmbeddings:
    """Read a safetensors file whose keys are task texts.

    Args:
        path: The file.
        num_tokens: Text tokens that the model expects.
        text_dim: Channels of a token that the model expects.

    Raises:
        CheckpointError: If the file is missing, damaged or empty, or an embedding has the wrong
            shape or is not finite.
    """
    try:
        by_task = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f'cannot read text embeddings {path}: {error}') from error
    if not by_task:
        raise CheckpointError(f'{path} holds no text embedding; at least one is required')
    for task, embedding in by_task.items():
        if embedding.shape != (num_tokens, text_dim) or not torch.isfinite(embedding).all():
            raise CheckpointError(
                f'{path}: the embedding of {task!r} has shape {tuple(embedding.shape)}; finite '
                f'numbers of shape {(num_tokens, text_dim)} are required')
    return TextEmbeddings(by_task=by_task)


def save_text_embeddings(path: Path, embeddings: TextEmbeddings) -> None:
    """Write a file that `load_text_embeddings` reads."""
    save_file({task: tensor.contiguous() for task, tensor in embeddings.by_task.items()}, path)
