# SPDX-License-Identifier: Apache-2.0
"""Files of Hugging Face repositories: which ones a checkpoint needs, and how to get them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
import errno
from fnmatch import fnmatch
from pathlib import Path

from cosmos_policy_ros.diffusion.checkpoint_files import (
    AUTOENCODER_FILES, AUTOENCODER_REPOSITORY, CONFIG_FILE, DISTRIBUTED_FOLDER, METADATA_FILE,
    MODEL_FILES, PLANNING_REPOSITORY, POLICY_REPOSITORY, STATISTICS_FILES, TEXT_FILE, TEXT_PICKLES)
from cosmos_policy_ros.errors import CosmosPolicyError

# Longest wait for the list of files; most unreachable networks are noticed sooner.
LISTING_TIMEOUT_S = 10.0

# Of several kinds of weights only the first that is there is needed.
_WEIGHTS = (*((name,) for name in MODEL_FILES),
            (f'{DISTRIBUTED_FOLDER}/{METADATA_FILE}', f'{DISTRIBUTED_FOLDER}/*.distcp'), ('*.pt',))
_ENCODER_WEIGHTS = (('*.safetensors', '*.safetensors.index.json'),
                    ('pytorch_model*.bin', 'pytorch_model*.bin.index.json'))
_ENCODER_VOCABULARY = 'spiece.model'
_ENCODER_FILES = (CONFIG_FILE, _ENCODER_VOCABULARY, 'tokenizer.json', 'tokenizer_config.json',
                  'special_tokens_map.json')
_NUM_NAMES_SHOWN = 8


class HubError(CosmosPolicyError):
    """Files that cannot be listed or downloaded."""


@dataclass(frozen=True, kw_only=True)
class HubFile:
    """A file of a Hugging Face repository.

    Attributes:
        repository: Owner and name of the repository.
        name: Path within it.
        size_bytes: Size in [B].
    """

    repository: str
    name: str
    size_bytes: int


def needed_files(repository: str) -> list[HubFile]:
    """Return what a checkpoint or a T5 text encoder is made of, from other repositories too.

    Raises:
        HubError: If a repository cannot be listed, or lacks what is needed.
    """
    files = _list(repository)
    if repository == AUTOENCODER_REPOSITORY:
        return _part('autoencoder', files, AUTOENCODER_FILES)
    if _matching(files, [_ENCODER_VOCABULARY]):
        return [*_matching(files, _ENCODER_FILES), *_first(files, _ENCODER_WEIGHTS)]
    weights = _first(files, _WEIGHTS)
    if not weights:
        names = ', '.join(file.name for file in files[:_NUM_NAMES_SHOWN])
        raise HubError(f'{repository} holds neither weights of a policy nor a T5 text encoder; '
                       f'its first files are: {names or "none"}')
    policy = [POLICY_REPOSITORY] if repository == PLANNING_REPOSITORY else []
    parts = [*weights, *_matching(files, [CONFIG_FILE]),
             *_part('statistics', files, STATISTICS_FILES, policy),
             *_part('text embeddings', files, [TEXT_FILE, TEXT_PICKLES], policy)]
    if weights[0].name in MODEL_FILES:  # our own layout, where an autoencoder may be none
        return [*parts, *_matching(files, AUTOENCODER_FILES)]
    return [*parts, *_part('autoencoder', files, AUTOENCODER_FILES, [AUTOENCODER_REPOSITORY])]


def is_missing(file: HubFile, folder: Path | None) -> bool:
    """Whether a file, in its newest version, has yet to be downloaded.

    Args:
        file: The file.
        folder: Where it is to be; None is the Hugging Face cache.

    Raises:
        HubError: If the repository does not tell.
    """
    from huggingface_hub import hf_hub_download
    with _explained(file.repository):
        return hf_hub_download(
            file.repository, file.name, local_dir=folder, dry_run=True).will_download


def download(file: HubFile, folder: Path | None) -> None:
    """Download a file with a progress bar; it appears under its name only when it is complete.

    Args:
        file: The file.
        folder: Where it is to be; None is the Hugging Face cache.

    Raises:
        HubError: If that fails.
    """
    from huggingface_hub import hf_hub_download
    with _explained(file.repository):
        hf_hub_download(file.repository, file.name, local_dir=folder)


def _list(repository: str) -> list[HubFile]:
    from huggingface_hub import HfApi
    with _explained(repository):
        found = HfApi().model_info(repository, files_metadata=True, timeout=LISTING_TIMEOUT_S)
    return [HubFile(repository=repository, name=sibling.rfilename, size_bytes=sibling.size or 0)
            for sibling in found.siblings or []]


def _matching(files: Sequence[HubFile], patterns: Sequence[str]) -> list[HubFile]:
    return [file for file in files if any(
        fnmatch(file.name, pattern) and file.name.count('/') == pattern.count('/')
        for pattern in patterns)]


def _first(
    files: Sequence[HubFile], choices: Sequence[Sequence[str]],
) -> list[HubFile]:
    return next((found for patterns in choices if (found := _matching(files, patterns))), [])


def _part(
    what: str, files: Sequence[HubFile], patterns: Sequence[str],
    elsewhere: Sequence[str] = (),
) -> list[HubFile]:
    found = _matching(files, patterns)
    for repository in elsewhere:
        found = found or _matching(_list(repository), patterns)
    if not found:
        searched = ', '.join([files[0].repository, *elsewhere])
        raise HubError(f'no {what} in {searched}; expected {" or ".join(patterns)}')
    return found


@contextmanager
def _explained(repository: str) -> Iterator[None]:
    """Turn what can go wrong with a repository into a `HubError` that says what to do."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError, HfHubHTTPError, HFValidationError, HTTPError, RepositoryNotFoundError)
    page = f'{constants.ENDPOINT}/{repository}'
    try:
        yield
    except GatedRepoError as error:
        raise HubError(
            f'access to {repository} has to be granted: accept its terms at {page}, then log in '
            'with `hf auth login` or set HF_TOKEN') from error
    except RepositoryNotFoundError as error:
        raise HubError(
            f'there is no repository {repository} at {constants.ENDPOINT}, or it is private; for '
            'a private one log in with `hf auth login` or set HF_TOKEN') from error
    except HFValidationError as error:
        raise HubError(f'{repository!r} is not the name of a repository: {error}') from error
    except HfHubHTTPError as error:
        raise HubError(f'{page} answered with an error: {error}') from error
    except (HTTPError, OSError) as error:
        if isinstance(error, OSError) and (error.filename or error.errno == errno.ENOSPC):
            raise HubError(f'cannot write files of {repository}: {error}') from error
        raise HubError(
            f'cannot reach {page}: {error}; check the network and HF_ENDPOINT, then run the '
            'command again: complete files are kept') from error
