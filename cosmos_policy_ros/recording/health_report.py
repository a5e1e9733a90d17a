# SPDX-License-Identifier: Apache-2.0
"""The file in an episode's folder that says how healthy it is."""

from __future__ import annotations

from dataclasses import asdict
import json
from pathlib import Path

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.durable_file import write_durably
from cosmos_policy_ros.recording.health import EpisodeHealth, HealthLimits, Judgement, Verdict

HEALTH_FILE = 'health.json'
FORMAT_VERSION = 1


def save_health(
    directory: Path, health: EpisodeHealth, limits: HealthLimits, judgement: Judgement,
) -> None:
    """Write figures, limits and verdict of the episode in `directory`, in one step.

    Raises:
        RecordingError: If the file cannot be written.
    """
    path = directory / HEALTH_FILE
    content = {'format_version': FORMAT_VERSION, 'verdict': judgement.verdict,
               'reasons': judgement.reasons, **asdict(health), 'limits': asdict(limits)}
    try:
        write_durably(path, json.dumps(content, indent=2, ensure_ascii=False) + '\n')
    except OSError as error:
        raise RecordingError(f'cannot write {path}: {error}') from error


def load_judgement(directory: Path) -> Judgement:
    """Read the verdict on the episode in `directory`.

    Raises:
        RecordingError: If there is no report or it holds no verdict.
    """
    path = directory / HEALTH_FILE
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        return Judgement(verdict=Verdict(content['verdict']), reasons=tuple(content['reasons']))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordingError(f'cannot read the health report {path}: {error!r}') from error
