# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy episodes` and `cosmos-policy label`: what was recorded, and how it is judged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.markup import escape
from rich.table import Table
import tyro

from cosmos_policy_ros.cli.episode_choices import OutcomeChoice, VerdictChoice
from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.episode import (
    EpisodeLabel, load_metadata, relabel, USUAL_SCORES)
from cosmos_policy_ros.recording.episode_list import (
    add_up, EpisodeFilter, EpisodeSummary, EpisodeTotals, find_episodes)

_COLOURS = {'success': 'green', 'failure': 'red', 'partial': 'yellow', 'good': 'green',
            'usable': 'yellow', 'bad': 'red'}


def episodes(
    directory: Annotated[Path, tyro.conf.Positional] = Path('episodes'), *, task: str = '',
    outcome: OutcomeChoice | None = None, verdict: VerdictChoice | None = None, mode: str = '',
    since: str = '', until: str = '',
) -> int:
    """List the episodes in a folder, oldest first, and add them up.

    Change how one is judged with `cosmos-policy label`.

    Args:
        directory: Folder that holds episodes at any depth.
        task: Only tasks that contain this text.
        outcome: Only episodes that ended so.
        verdict: Only episodes of this health.
        mode: Only episodes driven so: teleoperation, direct, planning, scripted, imported.
        since: First day, as 2026-01-31.
        until: Last day, as 2026-01-31.
    """
    console = Console()
    wanted = EpisodeFilter(task=task, outcome=outcome, verdict=verdict, mode=mode,
                           since=_day('since', since), until=_day('until', until))
    found, broken = find_episodes(directory)
    matching = [episode for episode in found if wanted.matches(episode)]
    if matching:
        console.print(_table(matching, directory))
    _print_totals(console, add_up(matching), len(found))
    for reason in broken.values():
        console.print(f'[bold red]unreadable:[/] {escape(reason)}', highlight=False,
                      soft_wrap=True)
    return 1 if broken else 0


def label(
    episode: Annotated[Path, tyro.conf.Positional], *, outcome: OutcomeChoice,
    score: float | None = None, note: str | None = None,
) -> int:
    """Say how a recorded episode ended. Its messages are not touched.

    Args:
        episode: Folder of the episode.
        outcome: How it ended.
        score: Share of the task that was done, 0 to 1; left out: 1 for success, 0 for failure,
            none otherwise.
        note: Free text; left out: the note that is there.
    """
    metadata = relabel(episode, EpisodeLabel(
        outcome=outcome, score=USUAL_SCORES.get(outcome) if score is None else score,
        note=load_metadata(episode).label.note if note is None else note))
    shown = '' if metadata.label.score is None else f', score {metadata.label.score:g}'
    Console().print(f'{escape(str(episode))}: {_coloured(metadata.label.outcome.value)}{shown}',
                    highlight=False, soft_wrap=True)
    return 0


def _day(name: str, text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise RecordingError(f'--{name} is {text!r}; expected a day as 2026-01-31') from error


def _table(found: Sequence[EpisodeSummary], directory: Path) -> Table:
    table = Table(box=None, pad_edge=False, header_style='dim')
    table.add_column('episode', no_wrap=True, overflow='fold')
    for name in ('started', 'task', 'mode'):
        table.add_column(name, overflow='fold')
    for name in ('length', 'MB'):
        table.add_column(name, justify='right')
    for name in ('outcome', 'score', 'health'):
        table.add_column(name)
    for episode in found:
        metadata, score = episode.metadata, episode.metadata.label.score
        table.add_row(
            escape(str(episode.path.relative_to(directory))), f'{episode.started:%m-%d %H:%M:%S}',
            escape(metadata.task), escape(metadata.mode), f'{episode.duration_s:.1f} s',
            f'{episode.size_bytes / 1e6:.1f}', _coloured(metadata.label.outcome.value),
            '' if score is None else f'{score:g}',
            _coloured(episode.verdict.value) if episode.verdict else '')
    return table


def _print_totals(console: Console, totals: EpisodeTotals, found: int) -> None:
    hidden = '' if found == totals.episodes else f' of {found}'
    console.print(f'[bold]{totals.episodes}{hidden} episodes[/], '
                  f'{totals.duration_s / 3600:.2f} h, {totals.size_bytes / 1e9:.2f} GB',
                  highlight=False)
    for name in ('tasks', 'outcomes', 'verdicts'):
        counts = getattr(totals, name)
        if counts:
            console.print(f'  {name}: ' + ', '.join(
                f'{escape(key)} {count}' for key, count in counts.items()), highlight=False,
                soft_wrap=True)


def _coloured(word: str) -> str:
    return f'[{_COLOURS[word]}]{word}[/]' if word in _COLOURS else word
