# SPDX-License-Identifier: Apache-2.0
"""Entry point of `cosmos-policy`."""

from __future__ import annotations

from collections.abc import Sequence
import sys

from rich.console import Console
from rich.markup import escape
import tyro

from cosmos_policy_ros.cli.bench import bench
from cosmos_policy_ros.cli.demo import demo
from cosmos_policy_ros.cli.doctor import doctor
from cosmos_policy_ros.cli.embed import embed
from cosmos_policy_ros.cli.fetch import fetch
from cosmos_policy_ros.cli.parity import parity
from cosmos_policy_ros.cli.report import report
from cosmos_policy_ros.cli.serve import serve
from cosmos_policy_ros.cli.up import up
from cosmos_policy_ros.errors import CosmosPolicyError

COMMANDS = {'up': up, 'demo': demo, 'report': report, 'doctor': doctor, 'serve': serve,
            'fetch': fetch, 'embed': embed, 'parity': parity, 'bench': bench}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit status."""
    try:
        return tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog='cosmos-policy', args=argv, config=(tyro.conf.OmitArgPrefixes,),
            description='Cosmos Policy on ALOHA robots: run it, look at episodes, check and time '
                        'the model.')
    except CosmosPolicyError as error:
        Console(stderr=True).print(f'[bold red]error:[/] {escape(str(error))}', highlight=False)
        return 1
    except ModuleNotFoundError as error:
        Console(stderr=True).print(
            f'[bold red]error:[/] this command needs the Python module {error.name}; '
            "install the package with its extras: pip install '.\\[all]'", highlight=False)
        return 1


if __name__ == '__main__':
    sys.exit(main())
