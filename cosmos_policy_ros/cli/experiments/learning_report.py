# SPDX-License-Identifier: Apache-2.0
"""What `cosmos-policy learn` found: report.md, report.json and a plot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cosmos_policy_ros import __version__
from cosmos_policy_ros.cli.experiments.stage import duration_text, StageRecord
from cosmos_policy_ros.cli.experiments.training_stage import action_errors
from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.evaluation.comparison import compare_rollouts, PairedComparison
from cosmos_policy_ros.evaluation.evaluation_result import EvaluationResult
from cosmos_policy_ros.recording.durable_file import write_durably

DIRECT, UNREFINED, REFINED, Q = 'direct', 'planning', 'planning_refined', 'planning_q'
WAYS = {DIRECT: 'direct', UNREFINED: 'planning, unrefined model',
        REFINED: 'planning, refined model (v_next)',
        Q: 'planning, refined Q value (no world model)'}
_PAIRS = ((DIRECT, UNREFINED), (DIRECT, REFINED), (DIRECT, Q), (UNREFINED, REFINED), (Q, REFINED))
_VIDEOS = {'success': 'a success of the policy', 'failure': 'a failure of the policy',
           'rescued': 'a seed on which the policy failed and planning succeeded'}
PLOT, JSON, MARKDOWN = 'success.png', 'report.json', 'report.md'


@dataclass(frozen=True, kw_only=True)
class LearningReport:
    """All results of the loop.

    Attributes:
        task: Simulated task.
        is_quick: Whether every stage was tiny.
        records: Stage to its record, in the order in which they ran.
        results: Way of choosing chunks, one of `WAYS`, to its evaluation; all on the same seeds.
        videos: What a video shows to its file in `videos`.
    """

    task: str
    is_quick: bool
    records: Mapping[str, StageRecord]
    results: Mapping[str, EvaluationResult]
    videos: Mapping[str, str]

    def comparisons(self) -> Iterator[tuple[str, str, PairedComparison]]:
        """Yield pairs of ways and how the second compares with the first."""
        for first, second in _PAIRS:
            if {first, second} <= self.results.keys():
                yield first, second, compare_rollouts(
                    self.results[first].rollouts, self.results[second].rollouts)

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return {
            'software_version': __version__, 'task': self.task, 'is_quick': self.is_quick,
            'stages': {name: {'elapsed_s': round(record.elapsed_s, 1), **record.facts}
                       for name, record in self.records.items()},
            'success': {way: _success_as_json(result) for way, result in self.results.items()},
            'comparisons': [
                {'first': first, 'second': second, **vars(comparison),
                 'difference': comparison.difference, 'interval_95': comparison.interval(),
                 'p_value': comparison.p_value}
                for first, second, comparison in self.comparisons()],
            'videos': dict(self.videos)}


def write_report(report: LearningReport, folder: Path) -> None:
    """Write report.json, the plot and report.md into a folder.

    Raises:
        RecordingError: If the disk refuses.
    """
    # Matplotlib takes a second to import.
    from cosmos_policy_ros.evaluation.episode_plots import png_bytes
    from cosmos_policy_ros.evaluation.success_plots import plot_success
    try:
        write_durably(folder / JSON, json.dumps(report.as_json(), indent=2) + '\n')
        (folder / PLOT).write_bytes(png_bytes(plot_success(
            {WAYS[way]: result for way, result in report.results.items()})))
        write_durably(folder / MARKDOWN, report_text(report))
    except OSError as error:
        raise RecordingError(f'cannot write the report in {folder}: {error}') from error


def print_report(report: LearningReport, folder: Path, console: Console) -> None:
    """Show the success rates, the differences and where the rest is."""
    table = Table('', 'success', '95 %', 'a query', title=f'{report.task}, same unseen seeds')
    for way, result in report.results.items():
        low, high = result.interval
        table.add_row(WAYS[way], f'{result.num_successes}/{len(result.rollouts)}',
                      f'{low:.0%} to {high:.0%}', f'{result.inference_per_query_s:.2f} s')
    console.print(table)
    for first, second, comparison in report.comparisons():
        console.print(f'  {WAYS[second]} against {WAYS[first]}: {_difference(comparison)}',
                      highlight=False)
    console.print(f'  report {folder / MARKDOWN}', highlight=False, soft_wrap=True)


def report_text(report: LearningReport) -> str:
    """Return the report as Markdown."""
    return '\n'.join([
        f'# Learning `{report.task}`', '', *_heading(report), f'![success rates]({PLOT})', '',
        *_success_section(report), *_comparison_section(report), *_cost_section(report),
        *_video_section(report), *_stage_section(report)])


def _heading(report: LearningReport) -> Iterator[str]:
    if report.is_quick:
        yield from ('**A quick run: it shows the loop, its figures mean nothing.**', '')
    failures = _rollout_failures(report)
    if failures == 0:
        yield from ('**No recorded rollout failed: the refined values saw no failure and cannot '
                    'rank by one.**', '')


def _rollout_failures(report: LearningReport) -> int:
    facts = report.records['roll_out'].facts
    return facts['episodes'] - facts['successes']


def _success_section(report: LearningReport) -> Iterator[str]:
    seeds = [rollout.seed for rollout in report.results[DIRECT].rollouts]
    yield from ('## Success', '', f'Every row ran seeds {seeds[0]} to {seeds[-1]}, which neither '
                'training nor refinement saw.', '')
    yield from _table(('How chunks are chosen', 'Success', 'Wilson 95 %', 'Mean score'), [
        (WAYS[way], f'{result.num_successes}/{len(result.rollouts)} = {result.success_rate:.0%}',
         '{:.0%} to {:.0%}'.format(*result.interval), f'{result.mean_score:.2f}')
        for way, result in report.results.items()])


def _comparison_section(report: LearningReport) -> Iterator[str]:
    yield from ('## Differences on the same seeds', '',
                "McNemar's exact test, Agresti and Min's interval.", '')
    yield from _table(('Second', 'against first', 'Only the second / only the first',
                       'Difference (95 %)', 'p'), [
        (WAYS[second], WAYS[first],
         f'{comparison.num_second_only} / {comparison.num_first_only}',
         '{:+.1%} ({:+.1%} to {:+.1%})'.format(comparison.difference, *comparison.interval()),
         _p_text(comparison))
        for first, second, comparison in report.comparisons()])


def _cost_section(report: LearningReport) -> Iterator[str]:
    direct_s = report.results[DIRECT].inference_per_query_s
    latency_s = report.results[DIRECT].settings['latency_s']
    yield from ('## What planning costs', '',
                'Mean time of one query on this machine, all processes of the evaluation at once. '
                f'In virtual time every answer arrived {latency_s:g} s after its observation, so '
                'that the rows above differ by what was chosen and not by how long it took.', '')
    yield from _table(('How chunks are chosen', 'A query', 'Times direct'), [
        (WAYS[way], f'{result.inference_per_query_s:.3f} s',
         f'{result.inference_per_query_s / direct_s:.1f}' if direct_s else '–')
        for way, result in report.results.items()])


def _video_section(report: LearningReport) -> Iterator[str]:
    if 'videos' not in report.records:
        return
    yield from ('## Videos', '', 'Cameras above the future that the policy imagined.', '')
    for kind, text in _VIDEOS.items():
        name = report.videos.get(kind)
        yield f'- {text}: ' + (f'[{name}](videos/{name})' if name else 'there was none')
    yield ''


def _stage_section(report: LearningReport) -> Iterator[str]:
    yield from ('## Stages', '')
    yield from _table(('Stage', 'Wall time', 'Result'), [
        (f'`{name}`', duration_text(record.elapsed_s), _facts_text(record.facts))
        for name, record in report.records.items()])


def _facts_text(facts: Mapping[str, Any]) -> str:
    if 'kept' in facts:
        return f'{facts["kept"]} demonstrations, {facts["failed"]} failed attempts'
    if 'successes' in facts:
        return f'{facts["successes"]} of {facts["episodes"]} succeeded'
    if 'validation' in facts:
        errors = ', '.join(f'{error:.4f} rad with {steps} denoising steps'
                           for steps, error in action_errors(facts).items())
        return f'{facts["num_steps"]} steps' + (f'; action error {errors}' if errors else '')
    return f'{len(facts)} videos'


def _success_as_json(result: EvaluationResult) -> dict[str, Any]:
    return {'successes': result.num_successes, 'episodes': len(result.rollouts),
            'seeds': [rollout.seed for rollout in result.rollouts],
            'success_rate': result.success_rate, 'wilson_95': result.interval,
            'mean_score': result.mean_score,
            'inference_per_query_s': result.inference_per_query_s}


def _difference(comparison: PairedComparison) -> str:
    low, high = comparison.interval()
    return (f'{comparison.difference:+.1%} (95 %: {low:+.1%} to {high:+.1%}), '
            f'p = {_p_text(comparison)}')


def _p_text(comparison: PairedComparison) -> str:
    return f'{comparison.p_value:.3g}'


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield f'| {" | ".join(heads)} |'
    yield '|---' * len(heads) + '|'
    for row in rows:
        yield f'| {" | ".join(row)} |'
    yield ''
