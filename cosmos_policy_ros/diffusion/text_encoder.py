# SPDX-License-Identifier: Apache-2.0
"""Embeddings of new task texts, computed by a T5 encoder of the `transformers` library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cosmos_policy_ros.diffusion.hub_cache import cached_snapshot, is_repository_name
from cosmos_policy_ros.errors import CheckpointError, ConfigurationError

# Precision in which the released policies store the output of their encoder.
EMBEDDING_DTYPE = torch.bfloat16

# Without them the library would take other sizes, or an empty vocabulary, and go on.
_REQUIRED_FILES = (('config.json',), ('spiece.model', 'tokenizer.json'))


class TextEncoder:
    """A T5 encoder in float32.

    Args:
        name_or_path: Its folder, or a Hugging Face repository that was fetched before.
        text_dim: Channels of a text token that the model expects.
        device: Where it runs.

    Raises:
        CheckpointError: If it is not there, or its files are incomplete or damaged.
        ConfigurationError: If its width is another, or `transformers` is not installed.
    """

    def __init__(
        self, name_or_path: str, *, text_dim: int, device: torch.device | str = 'cpu',
    ) -> None:
        folder = _encoder_folder(name_or_path)
        try:
            from transformers import AutoTokenizer, T5Config, T5EncoderModel
        except ImportError as error:
            raise ConfigurationError(
                'embedding a new task needs the Python packages transformers and sentencepiece: '
                f'{error}') from error
        with _damage_reported(folder):
            width = T5Config.from_pretrained(folder).d_model
        if width != text_dim:
            raise ConfigurationError(
                f'text encoder {name_or_path!r} is {width} wide, but the model expects text '
                f'tokens of {text_dim} channels')
        with _damage_reported(folder):
            self._tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            model, loading = T5EncoderModel.from_pretrained(folder, output_loading_info=True)
        _refuse_missing_weights(folder, loading)
        self._model = model.float().to(device).eval()

    def count_tokens(self, task: str) -> int:
        """Return how many tokens a task has, with the one that ends it."""
        return len(self._tokenizer(task).input_ids)

    @torch.no_grad()
    def encode(self, task: str, num_tokens: int) -> Tensor:
        """Embed a task; tokens past `num_tokens` are cut off, places past the last are zero.

        Args:
            task: The text, used as it is.
            num_tokens: Text tokens that the model expects.

        Returns:
            Embedding of shape (num_tokens, channels), bfloat16, on the CPU.
        """
        tokens = self._tokenizer(
            task, max_length=num_tokens, truncation=True, return_tensors='pt').input_ids
        states = self._model(input_ids=tokens.to(self._model.device)).last_hidden_state[0]
        embedding = torch.zeros(num_tokens, states.shape[-1], dtype=EMBEDDING_DTYPE)
        embedding[:len(states)] = states.to(EMBEDDING_DTYPE)
        return embedding


def _encoder_folder(name_or_path: str) -> Path:
    folder = Path(name_or_path).expanduser()
    if not folder.is_dir() and is_repository_name(name_or_path):
        folder = cached_snapshot(name_or_path) or folder
    if not folder.is_dir():
        raise CheckpointError(
            f'text encoder {name_or_path!r} is neither a folder nor a repository in the local '
            f'Hugging Face cache; to download it, run: cosmos-policy fetch {name_or_path}')
    for names in _REQUIRED_FILES:
        if not any((folder / name).is_file() for name in names):
            raise CheckpointError(
                f'cannot read text encoder {folder}: it holds no {" or ".join(names)}')
    return folder


@contextmanager
def _damage_reported(folder: Path) -> Iterator[None]:
    try:
        yield
    # The library leaves every kind of damaged file to fail in its own way.
    except Exception as error:
        raise CheckpointError(f'cannot read text encoder {folder}: {error}') from error


def _refuse_missing_weights(folder: Path, loading: dict[str, Any]) -> None:
    # The library would go on with random ones.
    missing = sorted({*loading['missing_keys'], *map(str, loading['mismatched_keys'])})
    if missing:
        raise CheckpointError(f'text encoder {folder} lacks {len(missing)} weights, first of them '
                              f'{missing[0]}')
