# SPDX-License-Identifier: Apache-2.0
"""Task texts and their precomputed embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import hashlib
import io
import os
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
import torch
from torch import Tensor

from cosmos_policy_ros.diffusion.safe_pickle import load_torch, read_pickle
from cosmos_policy_ros.diffusion.saved_tensors import save_tensors
from cosmos_policy_ros.errors import CheckpointError, ConfigurationError

_PICKLED_TENSOR_NAMES = ('torch._utils._rebuild_tensor_v2', 'collections.OrderedDict')


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


def drawn_embedding(task: str, *, num_tokens: int, text_dim: int) -> Tensor:
    """Draw an embedding that stands for a text without saying anything about it.

    The same for the same text, and different for every other.

    Returns:
        Shape (num_tokens, text_dim), float32.
    """
    seed = int.from_bytes(hashlib.sha256(task.encode()).digest()[:7], 'little')
    return torch.randn(num_tokens, text_dim, generator=torch.Generator().manual_seed(seed))


def load_text_embeddings(
    paths: Sequence[Path], *, num_tokens: int, text_dim: int,
) -> TextEmbeddings:
    """Read files of task texts and embeddings: safetensors, or released pickles.

    Args:
        paths: The files; a task in a later one replaces that of an earlier one.
        num_tokens: Text tokens that the model expects.
        text_dim: Channels of a token that the model expects.

    Raises:
        CheckpointError: If a file is missing, damaged or empty, would run code, or an embedding
            has the wrong shape or is not finite.
    """
    by_task: dict[str, Tensor] = {}
    for path in paths:
        embeddings = read_text_embeddings(path)
        for task, embedding in embeddings.items():
            _check_embedding(path, task, embedding, (num_tokens, text_dim))
        by_task |= embeddings
    return TextEmbeddings(by_task=by_task)


def read_text_embeddings(path: Path) -> dict[str, Tensor]:
    """Read one such file, with embeddings of any shape.

    Raises:
        CheckpointError: As `load_text_embeddings` says, except about shapes.
    """
    by_task = _read_pickle(path) if path.suffix == '.pkl' else _read_safetensors(path)
    if not by_task:
        raise CheckpointError(f'{path} holds no text embedding; at least one is required')
    return by_task


def save_text_embeddings(path: Path, embeddings: TextEmbeddings) -> None:
    """Write a file that `load_text_embeddings` reads; one that is there is replaced at once."""
    unfinished = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        save_tensors(unfinished, embeddings.by_task)
        os.replace(unfinished, path)
    except (OSError, SafetensorError) as error:
        unfinished.unlink(missing_ok=True)
        raise CheckpointError(f'cannot write text embeddings {path}: {error}') from error


def _check_embedding(path: Path, task: str, embedding: Tensor, shape: tuple[int, int]) -> None:
    if embedding.shape != shape or not torch.isfinite(embedding).all():
        raise CheckpointError(
            f'{path}: the embedding of {task!r} has shape {tuple(embedding.shape)}; finite '
            f'numbers of shape {shape} are required')


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f'cannot read text embeddings {path}: {error}') from error


def _read_pickle(path: Path) -> dict[str, Tensor]:
    """Read a released file: task text to tensor of shape (1, M, D)."""
    content = read_pickle(path, allowed=_PICKLED_TENSOR_NAMES, replaced={
        'torch.storage._load_from_bytes': lambda stored: load_torch(io.BytesIO(stored))})
    if not isinstance(content, dict) or not all(
            isinstance(task, str) and isinstance(value, Tensor) and value.ndim == 3
            and len(value) == 1 for task, value in content.items()):
        raise CheckpointError(
            f'{path} does not hold task texts with one embedding of shape (1, tokens, channels) '
            'each')
    return {task: value[0].detach() for task, value in content.items()}
