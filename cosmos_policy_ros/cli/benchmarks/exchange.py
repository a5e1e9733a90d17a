# SPDX-License-Identifier: Apache-2.0
"""How fast episodes are exported, and what memory their import takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
import os
from pathlib import Path
import shutil
import subprocess
import sys
import tempfile
import time

from cosmos_policy_ros.bringup import load_preset, RobotPreset
from cosmos_policy_ros.cli.benchmarks.exchange_material import write_episode
from cosmos_policy_ros.cli.benchmarks.exchange_report import (
    ExchangeReport, ExportCost, ImportCost)
from cosmos_policy_ros.errors import CosmosPolicyError
from cosmos_policy_ros.recording.exchange.export_run import EpisodeSource, run_export
from cosmos_policy_ros.recording.exchange.formats import ExportFormat, make_exporter
from cosmos_policy_ros.recording.resample import ResampleSettings

FORMATS: tuple[ExportFormat, ...] = (
    'aloha_hdf5', 'cosmos', 'cosmos_rollout', 'lerobot_v3', 'lerobot_v21')
# The name of each import, and the export that makes its data set.
IMPORTS: dict[str, ExportFormat] = {
    'aloha_hdf5': 'aloha_hdf5', 'cosmos': 'cosmos_rollout', 'lerobot': 'lerobot_v3'}
FEW, MANY = 5, 100
EXPORTED_S = 8.0
# As many that starting the workers counts as little as it does in a real set.
_WORKERS, _NUM_EXPORTED = 2, 6
_IMPORTED_S, _IMPORTED_SIZE = 1.0, (96, 64)


def measure_exchange(
    *, formats: Sequence[ExportFormat] = FORMATS, imports: Sequence[str] = tuple(IMPORTS),
    duration_s: float = EXPORTED_S, counts: tuple[int, int] = (FEW, MANY),
    on_step: Callable[[str], None] = lambda text: None,
) -> ExchangeReport:
    """Export episodes to every format by one and by two workers; import few and many.

    Args:
        formats: Formats to export to.
        imports: Formats to import.
        duration_s: Length of an exported episode in [s].
        counts: How many episodes are imported.
        on_step: Told what is being measured.

    Raises:
        CosmosPolicyError: If an episode is refused.
        OSError: If the disk refuses.
    """
    preset = load_preset('interbotix')
    with tempfile.TemporaryDirectory() as name:
        exports = list(_exports(Path(name), preset, formats, duration_s, on_step))
    with tempfile.TemporaryDirectory() as name:
        imported = list(_imports(Path(name), preset, imports, counts, on_step))
    return ExchangeReport(exports=exports, imports=imported)


def _exports(
    folder: Path, preset: RobotPreset, formats: Sequence[ExportFormat], duration_s: float,
    on_step: Callable[[str], None],
) -> Iterator[ExportCost]:
    for images in ('jpeg', 'raw'):
        on_step(f'writing episodes with {images} images')
        first = write_episode(folder / images, preset, name='episode_0', duration_s=duration_s,
                              is_raw=images == 'raw')
        sources = _copies(first, _NUM_EXPORTED, preset)
        for name in formats:
            for workers in (1, _WORKERS):
                on_step(f'export to {name}, {images} images, {workers} at a time')
                yield _export(sources, folder / 'out', name, images, workers)
        shutil.rmtree(folder / images)


def _copies(episode: Path, count: int, preset: RobotPreset) -> list[EpisodeSource]:
    """Return an episode and links to it under other names."""
    paths = [episode, *(
        Path(shutil.copytree(episode, episode.with_name(f'episode_{number}'),
                             copy_function=os.link)) for number in range(1, count))]
    return [EpisodeSource(path=path, robot=preset.robot, names=preset.names) for path in paths]


def _export(sources: Sequence[EpisodeSource], output: Path, name: ExportFormat, images: str,
            workers: int) -> ExportCost:
    settings = ResampleSettings()
    start_s, start_cpu_s = time.monotonic(), _processor_s()
    result = run_export(sources, output, make_exporter(name), settings, processes=workers)
    took_s, processor_s = time.monotonic() - start_s, _processor_s() - start_cpu_s
    shutil.rmtree(output)
    if result.refused:
        raise CosmosPolicyError(f'export to {name} refused {result.refused}')
    return ExportCost(format=name, images=images, workers=workers, took_s=took_s,
                      processor_s=processor_s, robot_s=result.steps / settings.rate_hz)


def _processor_s() -> float:
    """Return the processor time of this process and of all that it has waited for, in [s]."""
    times = os.times()
    return sum(times[:4])


def _imports(
    folder: Path, preset: RobotPreset, names: Sequence[str], counts: tuple[int, int],
    on_step: Callable[[str], None],
) -> Iterator[ImportCost]:
    first = write_episode(folder / 'episodes', preset, name='episode_0', is_raw=False,
                          duration_s=_IMPORTED_S, image_size=_IMPORTED_SIZE)
    sources = _copies(first, max(counts), preset)
    for name in names:
        for count in counts:
            on_step(f'import of {count} episodes from {name}')
            run_export(sources[:count], folder / 'set', make_exporter(IMPORTS[name]),
                       ResampleSettings())
            yield _import(folder / 'set', folder / 'back', name, count)
            shutil.rmtree(folder / 'set')
            shutil.rmtree(folder / 'back')


def _import(data_set: Path, output: Path, name: str, count: int) -> ImportCost:
    """Import in a process of its own, whose memory is then known."""
    start_s = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, '-m', 'cosmos_policy_ros.cli.main', 'import', str(data_set), '--format',
         name, '--output', str(output)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or sum(1 for _ in output.iterdir()) != count:
        raise CosmosPolicyError(f'import of {count} episodes from {name} did not give them all')
    return ImportCost(format=name, episodes=count, took_s=time.monotonic() - start_s,
                      memory_mb=usage.ru_maxrss * 1024 / 1e6)
