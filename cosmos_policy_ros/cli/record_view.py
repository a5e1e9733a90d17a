# SPDX-License-Identifier: Apache-2.0
"""What `cosmos-policy record` shows: where the batch stands, and how the streams are doing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

KEYS = {' ': 'advance', 'd': 'discard', 'r': 're_record', 's': 'success', 'f': 'failure',
        'q': 'end_batch'}
HINT = ('[space] start / stop   [d] discard   [r] record again   [s] success   [f] failure   '
        '[q] end the batch')
TITLES = {'waiting': 'waiting: close both grippers, press the pedal or the space bar',
          'warm_up': 'get ready', 'recording': 'recording', 'saving': 'saving',
          'reset': 'put the scene back', 'done': 'done', 'idle': 'idle'}
COLOURS = {'good': 'green', 'usable': 'yellow', 'bad': 'red'}


class RecordView:
    """Turns the recorder's status into what a terminal shows."""

    def __init__(self, episode_s: float) -> None:
        """Begin.

        Args:
            episode_s: Length of an episode in [s]; 0 if it has none.
        """
        self._episode_s = episode_s

    def render(self, status: Any, *, has_keys: bool) -> Iterator[RenderableType]:
        """Yield the parts from top to bottom.

        Args:
            status: RecorderStatus.
            has_keys: Whether keys can be pressed.
        """
        left = f', {status.time_left_s:.0f} s left' if status.time_left_s else ''
        number = min(status.batch_recorded + 1, status.batch_size)
        yield Text(f'episode {number} of {status.batch_size}: '
                   f'{TITLES.get(status.state, status.state)}{left}', style='bold')
        if status.state == 'recording' and self._episode_s:
            yield ProgressBar(total=self._episode_s, width=60,
                              completed=max(0.0, self._episode_s - status.time_left_s))
        if status.streams:
            yield self._streams(status)
        yield Text(f'{status.bytes / 1e6:.1f} MB, {status.byte_rate / 1e6:.2f} MB/s, '
                   f'{status.disk_free_bytes / 1e9:.1f} GB free, cameras apart '
                   f'{status.camera_skew_s * 1e3:.0f} ms, {status.lost} messages lost')
        if status.last_verdict:
            yield verdict(status)
        if status.problem:
            yield Text(status.problem, style='red')
        if has_keys:
            yield Text(HINT, style='dim')

    def summary(self, status: Any) -> Text:
        """Return the last line: what came of the batch."""
        text = Text(f'{status.batch_recorded} of {status.batch_size} episodes recorded; the last: '
                    f'{status.episode or "none"} ')
        return text.append_text(verdict(status)) if status.last_verdict else text

    def _streams(self, status: Any) -> Table:
        table = Table(box=None)
        table.add_column('stream')
        for title in ('messages', 'Hz', 'longest gap [s]', 'dropped', 'latency [ms]'):
            table.add_column(title, justify='right')
        for stream in status.streams:
            table.add_row(
                stream.topic, str(stream.messages), f'{stream.rate_hz:.1f}',
                f'{stream.max_gap_s:.2f}', str(stream.dropped), f'{stream.latency_s * 1e3:.0f}')
        return table


def verdict(status: Any) -> Text:
    """Return the verdict on the last episode, with the first reasons."""
    reasons = '; '.join(status.last_reasons[:3])
    more = f'; and {len(status.last_reasons) - 3} more' if len(status.last_reasons) > 3 else ''
    text = Text(f'last verdict: {status.last_verdict}', style=COLOURS[status.last_verdict])
    return text.append(f' ({reasons}{more})' if reasons else '')
