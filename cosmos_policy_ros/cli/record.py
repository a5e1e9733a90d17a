# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy record`: a batch of episodes, watched and steered from a terminal."""

from __future__ import annotations

from dataclasses import dataclass
import signal
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live

from cosmos_policy_ros.bringup import require_ros
from cosmos_policy_ros.cli.keyboard import Keyboard
from cosmos_policy_ros.cli.record_view import KEYS, RecordView
from cosmos_policy_ros.cli.warning import say_warning
from cosmos_policy_ros.errors import RobotError
from cosmos_policy_ros.recording.session_plan import SessionPlan

if TYPE_CHECKING:
    from cosmos_policy_ros.nodes.recorder_client import RecorderClient

PERIOD_S = 0.1
BEGIN_S = 15.0
SAVE_S = 60.0
RESTING = ('idle', 'done')


@dataclass(frozen=True, kw_only=True)
class RecordOptions:
    """What to record, with a recorder that runs already (`cosmos-policy up --teleop`).

    Attributes:
        episodes: How many episodes.
        episode_s: Length of each in [s]; 0: until stopped.
        warm_up_s: Time between the start cue and the recording in [s].
        reset_s: Time to put the scene back between two episodes in [s].
        start_alone: Begin each episode without waiting for a start cue (gripper gesture, pedal,
            key or service).
        re_record_bad: Set episodes of bad health aside and record them again.
        task: Text of the task; empty keeps the recorder's.
        operator: Who drives; empty keeps the recorder's.
        bell: Ring the terminal's bell at every cue.
        keys: Steer with single keys where there is a terminal.
        wait_s: How long to wait for the recorder in [s].
    """

    episodes: int = 1
    episode_s: float = 20.0
    warm_up_s: float = 0.0
    reset_s: float = 5.0
    start_alone: bool = False
    re_record_bad: bool = False
    task: str = ''
    operator: str = ''
    bell: bool = True
    keys: bool = True
    wait_s: float = 30.0


def record(options: RecordOptions) -> int:
    """Record a batch of episodes: see time left, rates and verdicts; steer by gesture or key.

    Ctrl-C ends the batch after saving the running episode.

    Returns:
        Exit status: 0 when all episodes are on disk, 1 when fewer are.
    """
    require_ros()
    from cosmos_policy_ros.nodes.recorder_client import RecorderClient
    console = Console()
    plan = SessionPlan(
        num_episodes=options.episodes, episode_s=options.episode_s, warm_up_s=options.warm_up_s,
        reset_s=options.reset_s, starts_alone=options.start_alone,
        re_records_bad=options.re_record_bad)
    # A shell that starts a program in the background has it ignore Ctrl-C; this one must end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with RecorderClient() as client:
        client.wait_until(lambda: client.recorder is not None, options.wait_s,
                          'a status of /recorder_node; is it running (`cosmos-policy up`)?')
        client.begin_batch(plan, task=options.task, operator_name=options.operator)
        view = RecordView(options.episode_s)
        try:
            _follow(client, options, console, view)
        except KeyboardInterrupt:
            console.print('ending the batch; the running episode is kept')
            _end(client, console)
        status = client.recorder
        console.print(view.summary(status))
        return 0 if status.batch_recorded >= options.episodes else 1


def _follow(
    client: RecorderClient, options: RecordOptions, console: Console, view: RecordView,
) -> None:
    """Show what happens and pass keys on until the batch is done."""
    client.wait_until(lambda: client.recorder.state not in RESTING, BEGIN_S,
                      'the beginning of the batch')
    with Keyboard() as keyboard, Live(console=console, refresh_per_second=10) as live:
        while client.recorder.state not in RESTING:
            client.spin(PERIOD_S)
            for cue in client.cues:
                console.print(f'[bold]{cue}[/]')
                if options.bell:
                    console.bell()
            client.cues.clear()
            if options.keys and (service := KEYS.get(keyboard.pressed())):
                _press(client, console, service)
                keyboard.forget()
            has_keys = options.keys and keyboard.is_there
            live.update(Group(*view.render(client.recorder, has_keys=has_keys)))


def _press(client: RecorderClient, console: Console, service: str) -> None:
    """Do what a key stands for; what the recorder refuses is said and nothing else."""
    try:
        if service in ('success', 'failure'):
            client.label_episode(service, float(service == 'success'))
            console.print(f'labelled {service}')
        elif service == 'advance':
            is_running = client.recorder.state in ('warm_up', 'recording')
            client.do('stop' if is_running else 'start')
        else:
            client.do(service)
    except RobotError as error:
        say_warning(console, error)


def _end(client: RecorderClient, console: Console) -> None:
    try:
        client.do('end_batch')
    except RobotError as error:
        say_warning(console, error)
    client.wait_until(lambda: client.recorder.state in RESTING, SAVE_S, 'the end of the batch')
