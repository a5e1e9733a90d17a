# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy view`: a recorded episode as a video to look at, or in Rerun."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.progress import Progress
import tyro

from cosmos_policy_ros.bringup import load_preset
from cosmos_policy_ros.errors import RecordingError


def view(
    episode: Annotated[Path, tyro.conf.Positional], *, output: Path | None = None,
    rerun: bool = False, frame_rate_hz: int = 15, overwrite: bool = False,
) -> int:
    """Render cameras, imagined future, joints and values of an episode, moving with time.

    For Foxglove no command is needed: open the episode's .mcap file and import the layout
    config/foxglove_layout.json, which also fits the running robot over foxglove_bridge.

    Args:
        episode: Folder of the episode.
        output: The .mp4 file, or with --rerun an .rrd file; by default <episode>/view.mp4, and
            with --rerun the viewer itself.
        rerun: Show the episode in Rerun instead (needs the extra `rerun`).
        frame_rate_hz: Frames per second of the video.
        overwrite: Replace the file if it exists.
    """
    from cosmos_policy_ros.evaluation.episode_series import load_series
    from cosmos_policy_ros.evaluation.episode_topics import episode_topics
    from cosmos_policy_ros.evaluation.episode_view import render_view
    from cosmos_policy_ros.evaluation.playback import Playback
    from cosmos_policy_ros.recording.reader import EpisodeReader
    target = output if rerun else output or episode / 'view.mp4'
    if target is not None and target.exists() and not overwrite:
        raise RecordingError(f'{target} exists; --overwrite replaces it')
    reader = EpisodeReader(episode)
    preset = load_preset(reader.metadata.robot)
    topics = episode_topics(preset.robot, preset.names).stored_in(reader.topics)
    series = load_series(reader, preset.robot, topics)
    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task('reading images', total=1.0)

        def on_progress(share: float) -> None:
            progress.update(task, completed=share)

        if rerun:
            from cosmos_policy_ros.evaluation.rerun_log import log_episode
            log_episode(Playback(reader, topics, frame_rate_hz=30), series, episode.name,
                        path=target, on_progress=on_progress)
        else:
            render_view(reader, target, topics, series, frame_rate_hz=frame_rate_hz,
                        on_progress=on_progress)
    console.print(str(target or 'shown in Rerun'), soft_wrap=True, highlight=False)
    return 0
