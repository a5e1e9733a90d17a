# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy doctor`: is everything there that driving the robot needs?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
import json
import math
import os
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from cosmos_policy_ros.bringup import load_preset, RobotPreset
from cosmos_policy_ros.cli.checks.motor_table import ArmKind
from cosmos_policy_ros.cli.checks.result import CheckResult, fail, skipped
from cosmos_policy_ros.cli.processes import node_environment
from cosmos_policy_ros.errors import ConfigurationError, CosmosPolicyError

_STYLES = {'ok': 'green', 'warn': 'yellow', 'fail': 'bold red', 'skipped': 'dim'}
_INSTALL = 'make setup, or pip install the extra that brings it; for ROS, source its setup.bash'


def doctor(
    *, robot: str = 'interbotix', checkpoint: str = 'aloha_small', port: str = '',
    arm: ArmKind = 'follower', listen_s: float = 3.0, json_file: Path | None = None,
) -> int:
    """Check Python, ROS, DDS, GPU, checkpoint, and the robot: its topics or its motors.

    Without --port it listens to joint states and cameras while the robot runs. With --port it
    asks the motors of one arm instead, which needs the driver (xs_sdk) to be stopped. It only
    listens and reads: it never moves, torques or configures anything.

    Args:
        robot: Robot preset, a file name in config/robots.
        checkpoint: Folder of a checkpoint, or the name of one in models/.
        port: Serial port of an arm's motors, for example /dev/ttyDXL_follower_left.
        arm: Kind of arm on that port.
        listen_s: How long to listen to the robot in [s]; 0 does not.
        json_file: Also write the results here.

    Returns:
        Exit status: 1 if a check failed.
    """
    if not math.isfinite(listen_s) or listen_s < 0:
        raise ConfigurationError(f'listen_s is {listen_s}; allowed is 0 or more')
    preset, console = load_preset(robot), Console()
    results = []
    for name, check in _checks(preset, checkpoint, port, arm, listen_s):
        with console.status(name):
            results += _attempt(name, check)
    _print(console, results)
    if json_file is not None:
        json_file.write_text(json.dumps(
            {'results': [asdict(result) for result in results]}, indent=2) + '\n')
    return int(any(result.result == 'fail' for result in results))


def _checks(
    preset: RobotPreset, checkpoint: str, port: str, arm: ArmKind, listen_s: float,
) -> Iterator[tuple[str, Callable[[], list[CheckResult]]]]:
    yield 'machine', _check_system
    yield 'ROS', _check_middleware
    yield 'model', lambda: _check_model(checkpoint, preset)
    yield 'robot', lambda: _check_robot(preset, checkpoint, port, listen_s)
    if port:
        yield 'motors', lambda: _check_motors(port, arm)


def _attempt(name: str, check: Callable[[], list[CheckResult]]) -> list[CheckResult]:
    """Run one family; what keeps it from running is a result, and the others still run."""
    try:
        return check()
    except ImportError as error:
        return [fail(name, str(error), _INSTALL)]
    except CosmosPolicyError as error:
        return [fail(name, str(error), '')]


def _check_system() -> list[CheckResult]:
    from cosmos_policy_ros.cli.checks.middleware import segment_bytes
    from cosmos_policy_ros.cli.checks.system import check_system
    from cosmos_policy_ros.spec.resources import resource
    return check_system(segment_bytes(resource('config/fastdds.xml')))


def _check_middleware() -> list[CheckResult]:
    from cosmos_policy_ros.cli.checks.middleware import check_middleware
    return check_middleware(os.environ)


def _check_model(checkpoint: str, preset: RobotPreset) -> list[CheckResult]:
    from cosmos_policy_ros.cli.checks.model import check_model
    return check_model(checkpoint, preset.robot)


def _check_robot(preset: RobotPreset, checkpoint: str, port: str,
                 listen_s: float) -> list[CheckResult]:
    if port:
        return [skipped('robot topics', 'the motors are asked instead, with the driver stopped',
                        'run the doctor again without --port while the driver runs')]
    if listen_s == 0:
        return [skipped('robot topics', 'not asked for: listen_s is 0')]
    from cosmos_policy_ros.cli.checks.robot_topics import check_robot_topics
    from cosmos_policy_ros.nodes.stream_survey import survey_streams
    # Listen as the nodes of the bring-up do.
    os.environ.update(node_environment())
    survey = survey_streams(preset, listen_s=listen_s)
    return check_robot_topics(survey, _needed_cameras(preset, checkpoint))


def _needed_cameras(preset: RobotPreset, checkpoint: str) -> tuple[str, ...]:
    """Cameras of the checkpoint; all of the robot if there is none, which is reported already."""
    with suppress(CosmosPolicyError, ImportError):
        from cosmos_policy_ros.cli.checks.model import needed_cameras
        return needed_cameras(checkpoint)
    return tuple(camera.name for camera in preset.robot.cameras)


def _check_motors(port: str, arm: ArmKind) -> list[CheckResult]:
    from cosmos_policy_ros.cli.checks.motors import check_motors
    return check_motors(port, arm)


def _print(console: Console, results: list[CheckResult]) -> None:
    table = Table('check', 'result', Column('found, and what to do', overflow='fold'))
    for result in results:
        remedy = f'\n[italic]-> {escape(result.remedy)}[/]' if result.remedy else ''
        table.add_row(escape(result.check), f'[{_STYLES[result.result]}]{result.result}[/]',
                      escape(result.found) + remedy)
    console.print(table)
    counts = Counter(result.result for result in results)
    console.print(', '.join(f'[{style}]{counts[outcome]} {outcome}[/]'
                            for outcome, style in _STYLES.items()), highlight=False)
