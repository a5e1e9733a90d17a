# SPDX-License-Identifier: Apache-2.0
"""Entry point of `cosmos-policy`."""

from __future__ import annotations

from collections.abc import Sequence
import sys

from rich.console import Console
from rich.markup import escape
import tyro

from cosmos_policy_ros.cli.ablate import ablate
from cosmos_policy_ros.cli.bench import bench
from cosmos_policy_ros.cli.collect import collect
from cosmos_policy_ros.cli.compare import compare
from cosmos_policy_ros.cli.demo import demo
from cosmos_policy_ros.cli.doctor import doctor
from cosmos_policy_ros.cli.embed import embed
from cosmos_policy_ros.cli.episodes import episodes, label
from cosmos_policy_ros.cli.evaluate import evaluate
from cosmos_policy_ros.cli.export import export
from cosmos_policy_ros.cli.fault import fault
from cosmos_policy_ros.cli.fetch import fetch
from cosmos_policy_ros.cli.import_ import import_
from cosmos_policy_ros.cli.learn import learn
from cosmos_policy_ros.cli.parity import parity
from cosmos_policy_ros.cli.record import record
from cosmos_policy_ros.cli.recover import recover
from cosmos_policy_ros.cli.report import report
from cosmos_policy_ros.cli.serve import serve
from cosmos_policy_ros.cli.train import train
from cosmos_policy_ros.cli.up import up
from cosmos_policy_ros.cli.view import view
from cosmos_policy_ros.errors import CosmosPolicyError

COMMANDS = {'episodes': episodes, 'label': label, 'view': view, 'export': export,
            'import': import_, 'up': up, 'demo': demo, 'record': record, 'report': report,
            'doctor': doctor, 'serve': serve, 'fault': fault, 'fetch': fetch, 'embed': embed,
            'parity': parity, 'train': train, 'bench': bench, 'collect': collect,
            'evaluate': evaluate, 'compare': compare, 'recover': recover,
            'learn': learn, 'ablate': ablate}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit status."""
    try:
        return tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog='cosmos-policy', args=argv, config=(tyro.conf.OmitArgPrefixes,),
            description='Cosmos Policy on ALOHA robots: run it, look at episodes, check and time '
                        'the model.')
    except CosmosPolicyError as error:
        Console(stderr=True).print(f'[bold red]error:[/] {escape(str(error))}', highlight=False,
                                   soft_wrap=True)
        return 1
    except ModuleNotFoundError as error:
        Console(stderr=True).print(
            f'[bold red]error:[/] this command needs the Python module {error.name}; '
            "install the package with its extras: pip install '.\\[all]'", highlight=False)
        return 1


if __name__ == '__main__':
    sys.exit(main())
