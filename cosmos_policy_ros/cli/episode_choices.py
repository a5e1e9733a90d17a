# SPDX-License-Identifier: Apache-2.0
"""Outcomes and verdicts as choices on the command line, in the words that files have."""

from __future__ import annotations

from typing import Annotated

import tyro

from cosmos_policy_ros.recording.episode import Outcome
from cosmos_policy_ros.recording.health import Verdict

OutcomeChoice = Annotated[Outcome, tyro.conf.EnumChoicesFromValues]
VerdictChoice = Annotated[Verdict, tyro.conf.EnumChoicesFromValues]
