# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy report`: a recorded episode as a page with figures, plots and a video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.progress import Progress
import tyro

from cosmos_policy_ros.bringup import load_preset

VIDEO_NAME = 'episode.mp4'


def report(
    episode: Annotated[Path, tyro.conf.Positional], *, output: Path | None = None,
    video: bool = True,
) -> int:
    """Write report.html, report.json and a video of a recorded episode.

    Args:
        episode: Folder of the episode.
        output: Folder for the results; the episode's own by default.
        video: Also render the cameras beside the imagined future.
    """
    console = Console()
    with Progress(console=console) as progress:
        task = progress.add_task('rendering video', total=1.0, visible=video)
        page = write_episode_report(
            episode, output or episode, video=video,
            on_progress=lambda share: progress.update(task, completed=share))
    console.print(f'report: {page}', soft_wrap=True)
    return 0


def write_episode_report(
    episode: Path, output: Path, *, video: bool = True,
    on_progress: Callable[[float], None] = lambda share: None,
) -> Path:
    """Write the page, its figures and, if cameras were recorded, the video.

    Returns:
        Path of the page.

    Raises:
        RecordingError: If the episode cannot be read or a file not be written.
    """
    from cosmos_policy_ros.evaluation.episode_series import load_series
    from cosmos_policy_ros.evaluation.episode_topics import episode_topics
    from cosmos_policy_ros.evaluation.motion_report import compute_report
    from cosmos_policy_ros.evaluation.report_page import write_report
    from cosmos_policy_ros.evaluation.video import render_video
    from cosmos_policy_ros.recording.reader import EpisodeReader
    reader = EpisodeReader(episode)
    preset = load_preset(reader.metadata.robot)
    topics = episode_topics(preset.robot, preset.names).stored_in(reader.topics)
    output.mkdir(parents=True, exist_ok=True)
    has_video = video and any(
        topic in reader.topics and reader.topics[topic].count for topic in topics.cameras.values())
    if has_video:
        render_video(reader, output / VIDEO_NAME, topics, on_progress=on_progress)
    series = load_series(reader, preset.robot, topics)
    return write_report(output, compute_report(reader, series, topics), series,
                        video_name=VIDEO_NAME if has_video else '')
