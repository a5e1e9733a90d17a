# SPDX-License-Identifier: Apache-2.0
"""Rollouts of an evaluation that is under way, one line each, so that none runs twice."""

from __future__ import annotations

import json
from pathlib import Path

from cosmos_policy_ros.cli.evaluation_run import Outcome
from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.evaluation.rollout import Rollout


class RolloutJournal:
    """A file of outcomes; a line that a crash cut short does not count.

    Args:
        path: The file; it need not exist, its folder must.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Outcome]:
        """Return the outcomes so far.

        Raises:
            RecordingError: If the file cannot be read or is no journal.
        """
        try:
            text = self._path.read_text(encoding='utf-8')
            whole = text[:text.rfind('\n') + 1]
            if whole != text:
                self._path.write_text(whole, encoding='utf-8')
            lines = [json.loads(line) for line in whole.splitlines()]
            return [(Rollout.from_json(line['rollout']), line['policy']) for line in lines]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RecordingError(f'cannot read {self._path}: {error}') from error

    def append(self, outcome: Outcome) -> None:
        """Add an outcome.

        Raises:
            RecordingError: If the disk refuses.
        """
        rollout, policy = outcome
        line = json.dumps({'policy': policy, 'rollout': rollout.to_json()})
        try:
            with self._path.open('a', encoding='utf-8') as file:
                file.write(line + '\n')
        except OSError as error:
            raise RecordingError(f'cannot write {self._path}: {error}') from error
