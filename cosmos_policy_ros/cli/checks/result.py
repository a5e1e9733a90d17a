# SPDX-License-Identifier: Apache-2.0
"""Outcome of one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal['ok', 'warn', 'fail', 'skipped']


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One line of the doctor's report.

    Attributes:
        check: What was looked at.
        result: `ok`; `warn` for what works but should not stay so; `fail` for what keeps the robot
            from being driven; `skipped` for what could not or need not be looked at.
        found: What was found: values with units, and what is allowed where they are not.
        remedy: What to do about it; empty if nothing.
    """

    check: str
    result: Outcome
    found: str
    remedy: str = ''


def ok(check: str, found: str, remedy: str = '') -> CheckResult:
    """Return a check that found nothing wrong."""
    return CheckResult(check=check, result='ok', found=found, remedy=remedy)


def warn(check: str, found: str, remedy: str) -> CheckResult:
    """Return a check that found something that should not stay so."""
    return CheckResult(check=check, result='warn', found=found, remedy=remedy)


def fail(check: str, found: str, remedy: str) -> CheckResult:
    """Return a check that found something that keeps the robot from being driven."""
    return CheckResult(check=check, result='fail', found=found, remedy=remedy)


def skipped(check: str, found: str, remedy: str = '') -> CheckResult:
    """Return a check that was not made."""
    return CheckResult(check=check, result='skipped', found=found, remedy=remedy)
