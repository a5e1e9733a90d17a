# SPDX-License-Identifier: Apache-2.0
"""The simulated tasks as a choice on the command line."""

from __future__ import annotations

from typing import Literal

TaskName = Literal['transfer_cube', 'transfer_cube_hard', 'insertion', 'lift_cube']
