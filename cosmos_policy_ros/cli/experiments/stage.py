# SPDX-License-Identifier: Apache-2.0
"""Stages of an experiment: each is done once, and the same command goes on after the last one.

    stages/<name>.json     settings of a stage, whether it is done, how long it took, its facts

A stage that is done is not done again; one that was interrupted takes over what it had. A stage
with other settings than before is refused before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
import fcntl
import json
from pathlib import Path
import time
from typing import Any

from rich.console import Console

from cosmos_policy_ros.cli.kept_settings import differences
from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.recording.durable_file import write_durably

RECORDS = 'stages'


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Something whose result stays.

    Attributes:
        name: Name of its record.
        title: What it does, for the user.
        settings: All that its result depends on besides the stages before it, as JSON can hold it.
        results: Files and folders that are there once it is done.
        run: Does it, or the rest of it; returns facts about the result, as JSON can hold them. To
            be stopped by the user is a KeyboardInterrupt.
    """

    name: str
    title: str
    settings: Mapping[str, Any]
    results: Sequence[Path]
    run: Callable[[], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """What is known of a stage.

    Attributes:
        settings: Its settings.
        is_done: Whether its result is complete.
        elapsed_s: Time that it took so far, all its parts together, in [s].
        facts: What it said about its result.
    """

    settings: Mapping[str, Any]
    is_done: bool = False
    elapsed_s: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)


class Experiment:
    """The stages of one output folder.

    Args:
        folder: The output folder; made if it is missing.
        stages: What is to be done, in order.
        console: Where to say how far it is.
        clock: Monotonic time in [s].

    Raises:
        ConfigurationError: If a stage was begun with other settings or its result is gone.
    """

    def __init__(self, folder: Path, stages: Sequence[Stage], console: Console, *,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._stages = folder, stages
        self._console, self._clock = console, clock
        (folder / RECORDS).mkdir(parents=True, exist_ok=True)
        for stage in stages:
            self._check(stage)

    def run(self) -> dict[str, StageRecord]:
        """Do what is not done; return the records of all stages by name.

        Raises:
            ConfigurationError: If another process works in the same folder.
            KeyboardInterrupt: If the user stops it; what is done stays.
        """
        with _locked(self._folder):
            return {stage.name: self._run(stage, number)
                    for number, stage in enumerate(self._stages, start=1)}

    def _run(self, stage: Stage, number: int) -> StageRecord:
        record = self._read(stage) or StageRecord(settings=self._settings(stage))
        heading = f'{number}/{len(self._stages)} {stage.title}'
        if record.is_done:
            self._console.print(f'[green]{heading}[/]: done before, in '
                                f'{duration_text(record.elapsed_s)}', highlight=False,
                                soft_wrap=True)
            return record
        self._console.print(f'[bold]{heading}[/]', highlight=False, soft_wrap=True)
        began_s = self._clock()

        def after(**changes: Any) -> StageRecord:
            return StageRecord(**{
                **vars(record), 'elapsed_s': record.elapsed_s + self._clock() - began_s,
                **changes})
        self._write(stage, record)
        try:
            facts = stage.run()
        except BaseException:
            self._write(stage, after())
            raise
        done = after(is_done=True, facts=_as_json(facts))
        self._write(stage, done)
        return done

    def _check(self, stage: Stage) -> None:
        record = self._read(stage)
        if record is None:
            return
        found = differences(record.settings, self._settings(stage))
        if found:
            state = 'done' if record.is_done else 'begun'
            raise ConfigurationError(
                f'stage {stage.name!r} in {self._folder} was {state} with other settings: '
                f'{"; ".join(found)}. Go on with the settings it was begun with, or choose '
                'another --output')
        missing = [str(path) for path in stage.results if record.is_done and not path.exists()]
        if missing:
            raise ConfigurationError(
                f'stage {stage.name!r} was done, but {", ".join(missing)} is gone; bring it back, '
                f'or remove {self._path(stage)} to do the stage again')

    def _settings(self, stage: Stage) -> dict[str, Any]:
        """Return the settings with paths inside the output folder as seen from there."""
        text = json.dumps(_as_json(stage.settings))
        return json.loads(text.replace(f'"{json.dumps(str(self._folder))[1:-1]}/', '"'))

    def _path(self, stage: Stage) -> Path:
        return self._folder / RECORDS / f'{stage.name}.json'

    def _read(self, stage: Stage) -> StageRecord | None:
        path = self._path(stage)
        try:
            return StageRecord(**json.loads(path.read_text(encoding='utf-8')))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError(f'cannot read {path}: {error}') from error

    def _write(self, stage: Stage, record: StageRecord) -> None:
        path = self._path(stage)
        try:
            write_durably(path, json.dumps(asdict(record), indent=2) + '\n')
        except OSError as error:
            raise ConfigurationError(f'cannot write {path}: {error}') from error


def duration_text(seconds: float) -> str:
    """Return a duration as a person says it: `42 s`, `7 min`, `1 h 05 min`."""
    if seconds < 100:
        return f'{seconds:.0f} s'
    hours, minutes = divmod(round(seconds / 60), 60)
    return f'{hours} h {minutes:02d} min' if hours else f'{minutes} min'


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / RECORDS / '.lock').open('w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(f'another process works in {folder}') from error
        yield


def _as_json(content: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(dict(content)))
