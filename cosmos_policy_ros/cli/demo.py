# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy demo`: the whole system on the simulated robot, from cameras to report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
import time
from typing import Literal

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cosmos_policy_ros.bringup import BringupOptions, describe_bringup, require_ros
from cosmos_policy_ros.cli.processes import NodeProcesses, stay_on_this_machine
from cosmos_policy_ros.cli.report import VIDEO_NAME, write_episode_report
from cosmos_policy_ros.errors import RobotError

STARTUP_TIMEOUT_S = 90.0
# After success the arms are shown at rest for a moment.
AFTERGLOW_S = 1.0
SWITCH_PERIOD_S = 5.0
# What a machine that is busy for half a second does to streams.
PAUSES = ('joint_states_stale', 'images_stale')
# A search that two cores finish while the arms still move along the last chunk.
DEMO_PLANNING = {'num_candidates': 4, 'is_joint': True, 'planning_deadline_s': 1.2}
DOMAIN_ID = '97'
UNTRAINED_NOTICE = (
    'This model has [bold]random weights[/]: the arms move, but the motion and the imagined '
    'future mean nothing. '
    'See the arms do the task with [bold]make demo POLICY=scripted[/]')


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """What the demo runs.

    Attributes:
        policy: Who drives the arms: `cosmos` (the default model) or `scripted` (an expert that
            does the task).
        checkpoint: Folder of a checkpoint, or the name of one in models/.
        mode: How a chunk is chosen: `direct`, `planning`, or `switching` between them while the
            arms move.
        duration_s: How long the policy may try, in [s].
        seed: Seed of the scene.
        output: Folder that receives one folder per run.
    """

    policy: Literal['cosmos', 'scripted'] = 'cosmos'
    checkpoint: str = 'aloha_small'
    mode: Literal['direct', 'planning', 'switching'] = 'direct'
    duration_s: float = 20.0
    seed: int = 3
    output: Path = Path('demo_output')


def demo(options: DemoOptions) -> int:
    """Run the simulated robot, the policy, the arm node and the recorder, then report.

    Leaves one folder with the episode, a video of the cameras beside the imagined future, a
    report and the logs. Ends by itself. Exit status 1 if the scripted expert fails at the task.
    """
    console = Console()
    require_ros()
    stay_on_this_machine(DOMAIN_ID)
    folder = options.output / datetime.now().strftime('%Y%m%d-%H%M%S')
    (folder / 'logs').mkdir(parents=True)
    episode, is_success = _run(options, folder, console)
    with _progress(console) as progress:
        task = progress.add_task('rendering video and report', total=1.0)
        page = write_episode_report(
            episode, folder, on_progress=lambda share: progress.update(task, completed=share))
    _print_summary(console, options, folder, page, is_success)
    return 1 if options.policy == 'scripted' and not is_success else 0


def _run(options: DemoOptions, folder: Path, console: Console) -> tuple[Path, bool]:
    """Drive the robot once; return the episode's folder and whether the task was done."""
    from cosmos_policy_ros.nodes.operator import Operator
    nodes = describe_bringup(BringupOptions(
        sim=True, start=False, policy=options.policy, checkpoint=options.checkpoint,
        mode='planning' if options.mode == 'planning' else 'direct', seed=options.seed,
        output=str(folder)))
    with NodeProcesses(nodes, log_directory=folder / 'logs') as processes:
        with Operator() as operator, _progress(console) as progress:
            task = progress.add_task('starting the nodes', total=1.0)
            names = {node.name for node in nodes}
            operator.wait_until(lambda: names <= set(operator.status), STARTUP_TIMEOUT_S,
                                'start-up of all nodes', processes.check)
            operator.set_parameters('/policy_node', **DEMO_PLANNING)
            episode = _start_motion(operator, options)
            _warn_if_untrained(console, operator)
            _follow(operator, processes, options, progress, task)
            is_success = operator.status['simulated_aloha_node'].success
            _stop_motion(operator, is_success)
    return episode, is_success


def _start_motion(operator: object, options: DemoOptions) -> Path:
    operator.reset_simulation(options.seed)
    episode = Path(operator.trigger('/recorder_node/start'))
    operator.trigger('/arm_node/start')
    operator.trigger('/policy_node/start')
    return episode


def _stop_motion(operator: object, is_success: bool) -> None:
    operator.trigger('/policy_node/stop')
    operator.trigger('/arm_node/stop')
    operator.label_episode('success' if is_success else 'failure', float(is_success),
                           'judged by the simulation')
    operator.trigger('/recorder_node/stop')


def _follow(operator: object, processes: NodeProcesses, options: DemoOptions,
            progress: Progress, task: int) -> None:
    """Show what happens until the task is done or the time is over."""
    start_s = time.monotonic()
    end_s = start_s + options.duration_s
    switch_s = start_s + SWITCH_PERIOD_S
    while time.monotonic() < end_s:
        operator.spin(0.2)
        processes.check()
        _resume_after_pause(operator, progress.console)
        if options.mode == 'switching' and time.monotonic() > switch_s:
            switch_s += SWITCH_PERIOD_S
            _switch_mode(operator)
        progress.update(task, completed=(time.monotonic() - start_s) / options.duration_s,
                        description=_describe(operator))
        if operator.status['simulated_aloha_node'].success:
            end_s = min(end_s, time.monotonic() + AFTERGLOW_S)


def _resume_after_pause(operator: object, console: Console) -> None:
    """Start arms again that hold because a busy machine paused the streams."""
    arm = operator.status['arm_node']
    if arm.state != 'holding' or arm.stop_reason not in PAUSES:
        return
    try:
        operator.trigger('/arm_node/resume')
    except RobotError:
        return  # Not fresh yet.
    console.print(f'[yellow]the machine paused ({arm.stop_reason}: {arm.detail}); resumed[/]',
                  soft_wrap=True)


def _switch_mode(operator: object) -> None:
    is_direct = operator.status['policy_node'].mode == 'direct'
    operator.set_parameters('/policy_node', mode='planning' if is_direct else 'direct')


def _describe(operator: object) -> str:
    arm, policy, simulation = (operator.status[name] for name in (
        'arm_node', 'policy_node', 'simulated_aloha_node'))
    stage = 'done' if simulation.success else simulation.stage
    return (f'arms {arm.state}, {policy.mode}: {policy.queries} chunks, the last after '
            f'{policy.last_latency_s * 1e3:.0f} ms, cameras {simulation.image_rate_hz:.0f} Hz, '
            f'task: {stage}')


def _warn_if_untrained(console: Console, operator: object) -> None:
    if not operator.status['policy_node'].is_trained:
        console.print(Panel(UNTRAINED_NOTICE, title='untrained model', style='yellow'))


def _print_summary(console: Console, options: DemoOptions, folder: Path, page: Path,
                   is_success: bool) -> None:
    result = '[green]the task was done[/]' if is_success else '[yellow]the task was not done[/]'
    console.print(f'{result} (policy: {options.policy}, seed {options.seed})')
    for name, path in (('episode', folder / 'episode_000000'), ('video', folder / VIDEO_NAME),
                       ('report', page), ('logs', folder / 'logs')):
        console.print(f'  {name:8} {path}', highlight=False, soft_wrap=True)


def _progress(console: Console) -> Progress:
    return Progress(TextColumn('{task.description}'), BarColumn(), TimeElapsedColumn(),
                    console=console)
