# SPDX-License-Identifier: Apache-2.0
"""The `cosmos-policy` command: one file per subcommand. May import every room.

Heavy imports (torch, ROS, mujoco) happen inside the commands, so that help is quick and the
commands that need none of them run without.
"""
