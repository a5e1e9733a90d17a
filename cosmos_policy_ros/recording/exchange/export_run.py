# SPDX-License-Identifier: Apache-2.0
"""Many episodes to one data format: in parallel, resumable, each either complete or not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import sha256
import json
import multiprocessing
from pathlib import Path
import shutil
from typing import Any

import cv2

from cosmos_policy_ros.errors import CosmosPolicyError, RecordingError
from cosmos_policy_ros.recording.durable_file import sync_files
from cosmos_policy_ros.recording.episode import EPISODE_FILE
from cosmos_policy_ros.recording.exchange.exchange_result import ExchangeResult
from cosmos_policy_ros.recording.exchange.exporter import Exporter
from cosmos_policy_ros.recording.exchange.ledger import (
    Ledger, LEDGER_FILE, LedgerEntry, open_ledger)
from cosmos_policy_ros.recording.exchange.staging import (
    alone, delete_staging, make_draft, staged_folder)
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.resample import resample, ResampleSettings
from cosmos_policy_ros.recording.step import Step, SteppedEpisode
from cosmos_policy_ros.spec.robot import RobotSpec
from cosmos_policy_ros.worker_pool import WorkerPool

_FACTS_FILE = 'facts.json'
_POLL_S = 0.2


@dataclass(frozen=True, kw_only=True)
class EpisodeSource:
    """An episode to export.

    Attributes:
        path: Its folder.
        robot: The robot that it was recorded with.
        names: Names inside our nodes to those of the robot.
    """

    path: Path
    robot: RobotSpec
    names: Mapping[str, str]


def run_export(
    sources: Sequence[EpisodeSource], output: Path, exporter: Exporter,
    settings: ResampleSettings, *, processes: int = 1, overwrite: bool = False,
    on_progress: Callable[[int], None] = lambda steps: None,
) -> ExchangeResult:
    """Export episodes; those that were exported before are skipped.

    An episode that is refused does not stop the others. Every episode is written aside and moved
    into place when it is complete, in the order of `sources`.

    Args:
        sources: The episodes.
        output: Folder of the results; made if it does not exist.
        exporter: The data format.
        settings: How episodes become steps.
        processes: How many episodes are written at a time.
        overwrite: Begin anew: delete what an earlier export has left in `output`.
        on_progress: Called now and then with the steps that are done.

    Raises:
        RecordingError: If the folder holds something else, or an export with other settings, or
            another export is writing there.
        OSError: If the disk refuses.
    """
    if overwrite:
        _delete_export(output, sources)
    ledger = open_ledger(output, exporter.format_name, _settings(exporter, settings))
    result = ExchangeResult(refused={})
    with alone(output):
        _complete_moves(ledger, exporter)
        todo = [source for source in sources if not _is_done(source, ledger, result)]
        writing = partial(_write, output=output, exporter=exporter, settings=settings)
        for source, content in _write_all(todo, writing, processes, on_progress):
            _place(source, content, ledger, exporter, result)
        if ledger.entries:
            exporter.finish(ledger)
        delete_staging(output)
    return result


def _settings(exporter: Exporter, settings: ResampleSettings) -> dict[str, Any]:
    return {**asdict(settings), **asdict(exporter)}


def _delete_export(output: Path, sources: Sequence[EpisodeSource]) -> None:
    if (output / LEDGER_FILE).exists():
        for source in sources:
            if source.path.resolve().is_relative_to(output.resolve()):
                raise RecordingError(
                    f'{source.path} lies in the output folder {output}, which would be deleted; '
                    'choose an output outside the recordings')
        with alone(output):
            shutil.rmtree(output)


def _is_done(source: EpisodeSource, ledger: Ledger, result: ExchangeResult) -> bool:
    entry = ledger.find(str(source.path.resolve()))
    if entry is None:
        return False
    if entry.fingerprint == _fingerprint(source.path):
        result.skipped += 1
    else:
        result.refused[str(source.path)] = (
            f'{source.path} changed since it was exported; --overwrite exports all again')
    return True


def _fingerprint(path: Path) -> str:
    """Identify what an episode holds: its metadata with the label, and the size of its file."""
    digest = sha256()
    for file in sorted(path.glob('*')):
        if file.suffix == '.mcap':
            digest.update(str(file.stat().st_size).encode())
        elif file.name == EPISODE_FILE:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _write_all(
    sources: Sequence[EpisodeSource], writing: Callable[..., dict[str, Any]], processes: int,
    on_progress: Callable[[int], None],
) -> Iterator[tuple[EpisodeSource, Callable[[], dict[str, Any]]]]:
    """Yield each episode, in order, with what returns its content or raises why there is none."""
    if min(processes, len(sources)) <= 1:
        done = _LocalCount(on_progress)
        yield from ((source, partial(writing, source, on_step=done.add)) for source in sources)
        return
    steps = multiprocessing.get_context('spawn').Value('q', 0)
    with WorkerPool(min(processes, len(sources)), _begin_worker, steps) as pool:
        futures = [pool.submit(writing, source) for source in sources]
        for source, future in zip(sources, futures):
            while not wait([future], timeout=_POLL_S).done:
                on_progress(steps.value)
            yield source, future.result
        on_progress(steps.value)


class _LocalCount:
    def __init__(self, on_progress: Callable[[int], None]) -> None:
        self._on_progress = on_progress
        self._steps = 0

    def add(self) -> None:
        self._steps += 1
        self._on_progress(self._steps)


_steps_of_all: Any = None


def _begin_worker(steps: Any) -> None:
    global _steps_of_all
    _steps_of_all = steps
    # Episodes are what runs in parallel, not the parts of one.
    cv2.setNumThreads(1)


def _count_in_worker() -> None:
    with _steps_of_all.get_lock():
        _steps_of_all.value += 1


def _write(
    source: EpisodeSource, *, output: Path, exporter: Exporter, settings: ResampleSettings,
    on_step: Callable[[], None] = _count_in_worker,
) -> dict[str, Any]:
    """Write an episode aside, unless that was completed before an interruption."""
    name = str(source.path.resolve())
    folder = staged_folder(output, name)
    fingerprint = _fingerprint(source.path)
    facts_path = folder / _FACTS_FILE
    if facts_path.exists():
        content = json.loads(facts_path.read_text())
        if content['fingerprint'] == fingerprint:
            return content
    shutil.rmtree(folder, ignore_errors=True)
    draft = make_draft(folder)
    episode = resample(EpisodeReader(source.path), source.robot, source.names,
                       replace(settings, cameras=settings.cameras or exporter.cameras))
    facts = exporter.write(replace(episode, read=lambda: _counted(episode, on_step)), draft)
    content = {'source': name, 'fingerprint': fingerprint, 'facts': facts}
    (draft / _FACTS_FILE).write_text(json.dumps(content))
    sync_files(draft)
    draft.rename(folder)
    return content


def _counted(episode: SteppedEpisode, on_step: Callable[[], None]) -> Iterator[Step]:
    for step in episode:
        yield step
        on_step()


def _place(
    source: EpisodeSource, result_of: Callable[[], dict[str, Any]], ledger: Ledger,
    exporter: Exporter, result: ExchangeResult,
) -> None:
    try:
        content = result_of()
        exporter.check(content['facts'], ledger)
    except (CosmosPolicyError, OSError) as error:
        result.refused[str(source.path)] = str(error)
        return
    number = ledger.add(LedgerEntry(**content))
    folder = staged_folder(ledger.path.parent, content['source'])
    exporter.place(folder, number, ledger)
    shutil.rmtree(folder)
    result.written += 1
    result.steps += content['facts']['length']


def _complete_moves(ledger: Ledger, exporter: Exporter) -> None:
    """Finish what an interruption has left between being listed and being in place."""
    for number, entry in enumerate(ledger.entries):
        folder = staged_folder(ledger.path.parent, entry.source)
        if folder.exists():
            exporter.place(folder, number, ledger)
            shutil.rmtree(folder)
