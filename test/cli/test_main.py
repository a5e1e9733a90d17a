# SPDX-License-Identifier: Apache-2.0
"""What every command costs before it begins."""

import subprocess
import sys


def test_commands_begin_without_loading_the_model_or_the_simulation():
    """Reading the command line, and each worker of an export, would take a second longer."""
    result = subprocess.run(
        [sys.executable, '-c',
         'import cosmos_policy_ros.cli.main, sys; '
         'print([name for name in ("torch", "mujoco", "cv2", "rclpy") if name in sys.modules])'],
        timeout=60, capture_output=True, text=True)

    assert result.stdout == '[]\n', result.stderr
