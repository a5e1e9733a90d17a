# SPDX-License-Identifier: Apache-2.0
"""What every command costs before it begins."""

import subprocess
import sys


def test_commands_begin_without_loading_torch():
    """Reading the command line, and each worker of an export, would take a second longer."""
    result = subprocess.run(
        [sys.executable, '-c', 'import cosmos_policy_ros.cli.main, sys; '
                               'sys.exit("torch" in sys.modules)'], timeout=60)

    assert result.returncode == 0
