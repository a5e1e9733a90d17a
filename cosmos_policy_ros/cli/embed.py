# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy embed`: teach a checkpoint the words of new tasks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import track
import tyro

from cosmos_policy_ros.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor

    from cosmos_policy_ros.diffusion.text_encoder import TextEncoder


def embed(
    tasks: Annotated[tuple[str, ...], tyro.conf.Positional], *, checkpoint: str,
    encoder: str = 'google-t5/t5-11b', config: str | None = None, device: str = 'auto',
    force: bool = False,
) -> int:
    """Compute text embeddings of tasks and store them beside a checkpoint.

    Args:
        tasks: Task texts, exactly as they will be given to the robot.
        checkpoint: The checkpoint that is to know them.
        encoder: Folder of a T5 encoder, or a fetched Hugging Face repository.
        config: Known model, or config.json, that says what the checkpoint is made of; by default
            its own, or the one that fits its weights.
        device: Torch device of the encoder; auto takes a GPU where there is one.
        force: Also replace the embeddings of tasks that are known already.
    """
    from cosmos_policy_ros.diffusion.checkpoint_config import read_checkpoint_config
    from cosmos_policy_ros.diffusion.checkpoint_files import checkpoint_files
    from cosmos_policy_ros.diffusion.checkpoint_paths import find_checkpoint
    from cosmos_policy_ros.diffusion.text_embedding import load_text_embeddings
    from cosmos_policy_ros.diffusion.text_encoder import TextEncoder
    from cosmos_policy_ros.policy.device import choose_device
    console = Console()
    files = checkpoint_files(find_checkpoint(checkpoint))
    model = read_checkpoint_config(files, asked=config)
    num_tokens, text_dim = model.text_tokens, model.transformer.text_dim
    known = load_text_embeddings(
        files.text_embeddings, num_tokens=num_tokens, text_dim=text_dim).tasks
    _check_tasks(tasks, known, force=force)
    with console.status(f'loading text encoder {escape(encoder)}'):
        text_encoder = TextEncoder(encoder, text_dim=text_dim, device=choose_device(device))
    path = _store(files.folder, _encode(tasks, text_encoder, num_tokens, console))
    console.print(f'{escape(str(path))} written; known tasks now:')
    for task in sorted({*known, *tasks}):
        console.print(f'  {escape(task)}')
    return 0


def _check_tasks(tasks: tuple[str, ...], known: tuple[str, ...], *, force: bool) -> None:
    if not tasks or not all(task.strip() for task in tasks):
        raise ConfigurationError(
            f'tasks are {list(tasks)}; at least one is required, and none may be blank')
    again = [task for task in tasks if task in known]
    if again and not force:
        raise ConfigurationError(
            f'the checkpoint knows {", ".join(map(repr, again))} already; --force replaces the '
            'embedding')


def _encode(
    tasks: tuple[str, ...], encoder: TextEncoder, num_tokens: int, console: Console,
) -> dict[str, Tensor]:
    embeddings = {}
    for task in track(tasks, description='embedding', console=console):
        length = encoder.count_tokens(task)
        if length > num_tokens:
            console.print(f'[yellow]{escape(repr(task))} has {length} tokens; the model takes '
                          f'{num_tokens}, the others are cut off[/]')
        embeddings[task] = encoder.encode(task, num_tokens)
    return embeddings


def _store(folder: Path, embeddings: Mapping[str, Tensor]) -> Path:
    from cosmos_policy_ros.diffusion.checkpoint_files import TEXT_FILE
    from cosmos_policy_ros.diffusion.text_embedding import (
        read_text_embeddings, save_text_embeddings, TextEmbeddings)
    path = folder / TEXT_FILE
    stored = read_text_embeddings(path) if path.is_file() else {}
    save_text_embeddings(path, TextEmbeddings(by_task={**stored, **embeddings}))
    return path
