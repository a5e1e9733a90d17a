# SPDX-License-Identifier: Apache-2.0
"""Entry point of `cosmos-policy`."""

from __future__ import annotations

from collections.abc import Sequence
import sys

from rich.console import Console
import tyro

from cosmos_policy_ros.cli.bench import bench
from cosmos_policy_ros.cli.demo import demo
from cosmos_policy_ros.cli.parity import parity
from cosmos_policy_ros.cli.report import report
from cosmos_policy_ros.cli.up import up
from cosmos_policy_ros.errors import CosmosPolicyError

COMMANDS = {'up': up, 'demo': demo, 'report': report, 'parity': parity, 'bench': bench}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit status."""
    try:
        return tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog='cosmos-policy', args=argv, config=(tyro.conf.OmitArgPrefixes,),
            description='Cosmos Policy on ALOHA robots: run it, look at episodes, check and time '
                        'the model.')
    except CosmosPolicyError as error:
        Console(stderr=True).print(f'[bold red]error:[/] {error}', highlight=False)
        return 1


if __name__ == '__main__':
    sys.exit(main())
