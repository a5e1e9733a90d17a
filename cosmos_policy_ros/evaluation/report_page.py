# SPDX-License-Identifier: Apache-2.0
"""An episode on one page: `report.html`, which needs no other file, and `report.json`."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
import json
from pathlib import Path

from matplotlib.figure import Figure

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.evaluation.episode_plots import (
    plot_joints, plot_stages, plot_value, png_bytes)
from cosmos_policy_ros.evaluation.episode_report import EpisodeReport, StreamReport
from cosmos_policy_ros.evaluation.episode_series import EpisodeSeries
from cosmos_policy_ros.evaluation.motion_plots import plot_continuity, plot_histogram
from cosmos_policy_ros.evaluation.plan_plots import plot_plans, plot_prediction_errors
from cosmos_policy_ros.evaluation.plan_series import PlanReport

_STYLE = """
body { margin: 0; background: #f4f6f8; color: #1f2933;
       font: 15px/1.5 system-ui, 'Segoe UI', Roboto, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { font-size: 26px; margin: 0; } h2 { font-size: 18px; margin: 34px 0 10px; }
p { margin: 4px 0; } .muted { color: #627282; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); gap: 12px;
         margin-top: 20px; }
.card, .panel { background: #fff; border: 1px solid #e3e8ee; border-radius: 8px; }
.card { padding: 12px 16px; } .panel { padding: 12px; overflow-x: auto; }
.card b { display: block; font-size: 21px; } .card span { color: #627282; font-size: 13px; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 12px; }
img, video { max-width: 100%; display: block; margin: 0 auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: right; color: #627282; font-weight: 500; font-size: 13px; }
td { text-align: right; border-top: 1px solid #e3e8ee; }
th, td { padding: 4px 10px; } th:first-child, td:first-child { text-align: left; }
.good { color: #1a7f4b; } .bad { color: #c0392b; } .warn { color: #b7640b; }
.notice { background: #fff4e0; border: 1px solid #f2c879; border-radius: 8px; margin-top: 16px;
          padding: 10px 16px; }
"""
# A stream is expected to be steady; a gap of this many mean periods is pointed out.
_NOTABLE_GAP_PERIODS = 4.0
_NOTABLE_SILENCE_S = 1.0
_NOTABLE_IDLE_SHARE = 0.05
# A border is seen where its steps exceed those inside chunks by this factor.
_NOTABLE_SEAM = 2.0
_TONES = {'success': 'good', 'failure': 'bad', 'partial': 'warn'}


def write_report(
    directory: Path, report: EpisodeReport, series: EpisodeSeries, *, video_name: str = '',
) -> Path:
    """Write `report.html` and `report.json` into a folder.

    Args:
        directory: The folder, usually that of the episode.
        report: The figures.
        series: What happened over time, for the plots.
        video_name: A video in the same folder to show on the page; none if empty.

    Returns:
        Path of the page.

    Raises:
        RecordingError: If a file cannot be written.
    """
    page = directory / 'report.html'
    try:
        (directory / 'report.json').write_text(
            json.dumps(report.to_json(), indent=2, ensure_ascii=False) + '\n', encoding='utf-8')
        page.write_text(render_page(report, series, video_name=video_name), encoding='utf-8')
    except OSError as error:
        raise RecordingError(f'cannot write the report in {directory}: {error}') from error
    return page


def render_page(report: EpisodeReport, series: EpisodeSeries, *, video_name: str = '') -> str:
    """Return the page as HTML."""
    parts = [_heading(report), _cards(report), _notices(report)]
    if video_name:
        parts.append(_section('Cameras beside the imagined future', (
            f'<video controls preload="metadata" src="{escape(video_name)}"></video>')))
    parts += [*_policy_sections(report, series), *_continuity_section(report, series),
              _section('Joint targets against measurement',
                       _image(plot_joints(series, report.joints), 'joints over time')),
              _section('Streams', _stream_table(report.streams)),
              _section('Joints', _joint_table(report))]
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<title>{escape(report.name)}</title><style>{_STYLE}</style></head>\n'
            f'<body><main>\n{"".join(parts)}</main></body></html>\n')


def _heading(report: EpisodeReport) -> str:
    facts = [report.name, f'robot {report.robot}', f'mode {report.mode}',
             f'{report.size_bytes / 1e6:.1f} MB']
    if report.seed is not None:
        facts.append(f'seed {report.seed}')
    note = f'<p>{escape(report.note)}</p>' if report.note else ''
    return (f'<h1>{escape(report.task)}</h1>'
            f'<p class="muted">{escape(" · ".join(facts))}</p>{note}\n')


def _cards(report: EpisodeReport) -> str:
    score = '' if report.score is None else f'score {report.score:.2f}'
    cards = [_card(report.outcome, score or 'outcome', _TONES.get(report.outcome, '')),
             _card(f'{report.duration_s:.1f} s', 'duration')]
    if report.task_stage is not None:
        tone = 'good' if report.is_success else ''
        cards.append(_card('done' if report.is_success else 'not done',
                           f'simulation: {report.task_stage}', tone))
    if report.policy:
        kind = 'trained weights' if report.policy.is_trained else 'untrained: random weights'
        cards += [_card(report.policy.policy, f'{report.policy.modes}, {kind}',
                        '' if report.policy.is_trained else 'warn'),
                  _card(f'{1e3 * report.policy.latency.p50_s:.0f} ms',
                        f'chunk latency, 99th percentile {1e3 * report.policy.latency.p99_s:.0f}'
                        f' ms, {report.policy.chunks} chunks')]
    if report.control_period:
        cards.append(_card(f'{1.0 / report.control_period.mean_s:.1f} Hz',
                           'control rate, longest period '
                           f'{1e3 * report.control_period.max_s:.0f} ms'))
    cards += [*_idle_card(report), *_seam_card(report), *_camera_card(report),
              *_tracking_card(report)]
    return f'<div class="cards">{"".join(cards)}</div>\n'


def _idle_card(report: EpisodeReport) -> list[str]:
    if report.arm is None or report.arm.idle_share is None:
        return []
    strategies = ', '.join(report.arm.strategies) or 'strategy not recorded'
    return [_card(f'{report.arm.idle_share:.1%}',
                  f'of the time waiting for chunks, {strategies}',
                  'warn' if report.arm.idle_share > _NOTABLE_IDLE_SHARE else '')]


def _seam_card(report: EpisodeReport) -> list[str]:
    seams = report.seams
    if seams is None:
        return []
    is_seen = seams.speed_step.p99 > _NOTABLE_SEAM * seams.inside_speed_step_p99
    return [_card(f'{seams.speed_step.p99:.2f} rad/s',
                  f'speed step at borders of chunks, 99th percentile; inside chunks '
                  f'{seams.inside_speed_step_p99:.2f} rad/s', 'warn' if is_seen else '')]


def _camera_card(report: EpisodeReport) -> list[str]:
    cameras = [stream for stream in report.streams if stream.is_camera and stream.rate_hz]
    if not cameras:
        return []
    slowest = min(cameras, key=lambda stream: stream.rate_hz)
    gap_s = max(stream.largest_gap_s for stream in cameras)
    return [_card(f'{slowest.rate_hz:.1f} Hz',
                  f'slowest of {len(cameras)} cameras, longest gap {1e3 * gap_s:.0f} ms',
                  'bad' if any(map(_is_notable, cameras)) else '')]


def _tracking_card(report: EpisodeReport) -> list[str]:
    tracked = [joint for joint in report.joints
               if joint.tracking_rms is not None and not joint.name.endswith('gripper')]
    if not tracked:
        return []
    worst = max(tracked, key=lambda joint: joint.tracking_rms)
    return [_card(f'{1e3 * worst.tracking_rms:.1f} mrad',
                  f'largest rms tracking error, {worst.name.replace("_", " ")}')]


def _card(value: str, caption: str, tone: str = '') -> str:
    return (f'<div class="card"><b class="{tone}">{escape(value)}</b>'
            f'<span>{escape(caption)}</span></div>')


def _notices(report: EpisodeReport) -> str:
    texts = []
    if report.policy and not report.policy.is_trained:
        texts.append('The policy ran on random weights: its motion and its imagined future show '
                     'that the system works, not what a trained model does.')
    if report.refused_samples:
        texts.append(f'{report.refused_samples} joint states, commands or chunks were left out '
                     'because they cannot be true.')
    if report.arm:
        events = [f'{count} {name.replace("_", " ")}'
                  for name, count in report.arm.counters.items()
                  if count and name not in ('ticks', 'chunks_accepted')]
        if events:
            texts.append(f'Arm node: {", ".join(events)} in {report.arm.counters["ticks"]} ticks.')
        if report.arm.stop_reasons:
            texts.append(f'The arms held because of: {", ".join(report.arm.stop_reasons)}.')
    return ''.join(f'<p class="notice">{escape(text)}</p>\n' for text in texts)


def _policy_sections(report: EpisodeReport, series: EpisodeSeries) -> Iterable[str]:
    row = []
    if report.policy:
        row.append(_image(plot_stages(report.policy.stages, report.policy.latency),
                          'stage timings'))
        row.append(_image(
            plot_histogram(report.policy.latency_histogram, 'observation to chunk [ms]',
                           scale=1e3), 'latency histogram'))
    if report.control_rate_histogram:
        row.append(_image(plot_histogram(report.control_rate_histogram, 'control rate [Hz]'),
                          'control rate histogram'))
    if row:
        panels = ''.join(f'<div class="panel">{image}</div>' for image in row)
        yield f'<h2>Inference and control</h2><div class="row">{panels}</div>\n'
    if report.policy:
        yield _section('Value: success that the policy expects',
                       _image(plot_value(series.chunks, series.duration_s), 'value over time'))
    if report.planning:
        yield _section('Planning: what each candidate was worth, and which was chosen',
                       _image(plot_plans(series.plans, series.duration_s), 'plans over time')
                       + _plan_text(report.planning))
    if series.prediction_errors:
        yield _section('Predictions against what came', _image(plot_prediction_errors(
            series.prediction_errors, series.duration_s), 'prediction errors over time'))


def _plan_text(planning: PlanReport) -> str:
    reasons = ', '.join(f'{reason} {count}' for reason, count in planning.reasons.items())
    spread = ('' if planning.value_spread_p50 is None
              else f'; median value spread {planning.value_spread_p50:.3f}')
    return (f'<p class="muted">{planning.plans} plans ({escape(reasons)}), '
            f'{planning.mean_counted:.1f} candidates valued on average{spread}</p>')


def _continuity_section(report: EpisodeReport, series: EpisodeSeries) -> Iterable[str]:
    if not (series.arm_status or report.control_period):
        return
    yield _section(
        'Continuity: what the arms did, and jumps of the commanded speed',
        _image(plot_continuity(series, report.seams), 'continuity over time')
        + _seam_table(report))


def _seam_table(report: EpisodeReport) -> str:
    seams = report.seams
    if seams is None:
        return '<p class="muted">No chunk took over from another while the arms moved.</p>'
    rows = [
        ('position, command to command [mrad]', seams.position_step,
         seams.inside_position_step_p99, 1e3),
        ('speed, command to command [rad/s]', seams.speed_step, seams.inside_speed_step_p99, 1.0),
        ('distance of old and new chunk [mrad]', seams.disagreement, None, 1e3)]
    return _table(
        (f'step at {seams.borders} borders of chunks', 'median', '99th percentile',
         '99th percentile inside chunks'),
        [(name, _number(step.p50, 3, scale), _number(
            step.p99, 3, scale, inside is not None and step.p99 > _NOTABLE_SEAM * inside),
          _number(inside, 3, scale)) for name, step, inside, scale in rows if step is not None])


def _section(title: str, content: str) -> str:
    return f'<h2>{escape(title)}</h2><div class="panel">{content}</div>\n'


def _image(figure: Figure, description: str) -> str:
    data = base64.b64encode(png_bytes(figure)).decode()
    return f'<img alt="{escape(description)}" src="data:image/png;base64,{data}">'


def _stream_table(streams: Iterable[StreamReport]) -> str:
    return _table(
        ('topic', 'messages', 'rate [Hz]', 'largest gap [ms]', 'silent at start [s]',
         'silent at end [s]'),
        [(escape(stream.topic), str(stream.count), _number(stream.rate_hz, 1),
          _number(stream.largest_gap_s, 1, 1e3, _is_notable(stream)),
          _number(stream.silent_start_s, 2, is_notable=_is_long(stream.silent_start_s)),
          _number(stream.silent_end_s, 2, is_notable=_is_long(stream.silent_end_s)))
         for stream in streams])


def _joint_table(report: EpisodeReport) -> str:
    return _table(
        ('joint (rad; gripper: opening 0 to 1)', 'tracking error, rms', 'tracking error, max',
         'highest speed [1/s]', 'jerk of the commands, rms [1/s³]'),
        [(escape(joint.name), _number(joint.tracking_rms, 4), _number(joint.tracking_max, 4),
          _number(joint.speed_max, 2), _number(joint.jerk_rms, 1)) for joint in report.joints])


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = ''.join(f'<th>{escape(text)}</th>' for text in heads)
    body = ''.join(f'<tr>{"".join(f"<td>{cell}</td>" for cell in row)}</tr>' for row in rows)
    return f'<table><tr>{head}</tr>{body}</table>'


def _number(
    value: float | None, digits: int, scale: float = 1.0, is_notable: bool = False,
) -> str:
    if value is None:
        return '–'
    text = f'{scale * value:.{digits}f}'
    return f'<span class="bad">{text}</span>' if is_notable else text


def _is_notable(stream: StreamReport) -> bool:
    return bool(stream.rate_hz) and stream.largest_gap_s * stream.rate_hz > _NOTABLE_GAP_PERIODS


def _is_long(silence_s: float | None) -> bool:
    return silence_s is not None and silence_s > _NOTABLE_SILENCE_S
