# SPDX-License-Identifier: Apache-2.0
"""A folder of golden vectors: its files, checked, and what became of each of their arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from safetensors import SafetensorError
from safetensors.torch import load_file
import torch
from torch import Tensor

from cosmos_policy_ros.errors import CosmosPolicyError

MANIFEST_FILE = 'manifest.json'


class GoldenError(CosmosPolicyError):
    """Golden vectors that are missing, damaged or not in the expected form."""


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far a result may be from its golden vector.

    Attributes:
        atol: Allowed absolute difference.
        rtol: Allowed difference relative to the golden value.
        max_fraction: Largest share of elements that may differ at all.
    """

    atol: float = 0.0
    rtol: float = 0.0
    max_fraction: float = 1.0

    @staticmethod
    def from_manifest(entry: Mapping[str, Any]) -> Tolerance:
        """Read an entry of a manifest's `tolerance`."""
        return Tolerance(
            atol=entry.get('atol', entry.get('max_abs', 0.0)), rtol=entry.get('rtol', 0.0),
            max_fraction=entry.get('fraction_off_by_one', 1.0))

    def accepts(self, difference: np.ndarray, golden: np.ndarray) -> bool:
        """Return whether every difference is allowed; NaN never is."""
        within = difference <= self.atol + self.rtol * np.abs(golden)
        return bool(within.all() and (difference > 0).mean() <= self.max_fraction)

    def __str__(self) -> str:
        parts = [f'{self.atol:.0e}'] if self.atol or not self.rtol else []
        parts += [f'{self.rtol:.0e} rel'] if self.rtol else []
        return ' + '.join(parts)


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """One comparison, or the reason why it could not be made.

    Attributes:
        section: Section of the golden vectors.
        case: Name of the golden array, or of the case.
        max_difference: Largest absolute difference; None if nothing was compared.
        tolerance: What was allowed, as text.
        problem: Why the comparison failed; empty if it passed.
    """

    section: str
    case: str
    max_difference: float | None = None
    tolerance: str = ''
    problem: str = ''

    @property
    def passed(self) -> bool:
        """Whether the comparison was made and accepted."""
        return not self.problem


@dataclass(kw_only=True)
class GoldenSection:
    """One file of golden vectors.

    Attributes:
        name: Name of the section.
        info: Its part of the manifest: `hyperparameters`, `tolerance`, `arrays`, ...
        arrays: Name to array.
        inputs: Names of the arrays that were used as input.
        skipped: Names of the arrays that are not compared, with the reason.
        results: Comparisons so far.
    """

    name: str
    info: Mapping[str, Any]
    arrays: Mapping[str, Tensor]
    inputs: set[str] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)
    results: list[CaseResult] = field(default_factory=list)

    def input(self, name: str) -> Tensor:
        """Return an array and note that it serves as input.

        Raises:
            GoldenError: If there is no such array.
        """
        if name not in self.arrays:
            raise GoldenError(f'array {name!r} is missing')
        self.inputs.add(name)
        return self.arrays[name]

    def inputs_under(self, prefix: str) -> dict[str, Tensor]:
        """Return all arrays whose name starts with a prefix, by the rest of the name."""
        names = [name for name in self.arrays if name.startswith(prefix)]
        return {name[len(prefix):]: self.input(name) for name in names}

    def has(self, name: str) -> bool:
        """Return whether there is such an array."""
        return name in self.arrays

    def described(self, name: str) -> str:
        """Return what the manifest says about an array."""
        return self.info['arrays'].get(name, {}).get('desc', '')

    def tolerance(self, name: str) -> Tolerance:
        """Return the manifest's tolerance of that name.

        Raises:
            GoldenError: If the manifest gives none.
        """
        if name not in self.info['tolerance']:
            raise GoldenError(f'the manifest gives no tolerance {name!r}')
        return Tolerance.from_manifest(self.info['tolerance'][name])

    def compare(self, name: str, actual: Tensor | ArrayLike, tolerance: Tolerance) -> None:
        """Compare a result with a golden array; an array that does not exist is not compared."""
        if name not in self.arrays:
            return
        golden = np.asarray(self.arrays[name], dtype=np.float64)
        result = np.asarray(actual, dtype=np.float64)
        if result.shape != golden.shape:
            self._add(name, problem=f'shape {result.shape}, expected {golden.shape}')
            return
        difference = np.abs(result - golden)
        problem = '' if tolerance.accepts(difference, golden) else 'differs too much'
        self._add(name, max_difference=float(difference.max(initial=0.0)),
                  tolerance=str(tolerance), problem=problem)

    def attempt(self, case: str, compute: Callable[[], None]) -> None:
        """Run a case; whatever goes wrong in it becomes a failed result."""
        try:
            with torch.no_grad():
                compute()
        except Exception as error:
            self._add(case, problem=f'{type(error).__name__}: {error}')

    def skip(self, reason: str, *prefixes: str) -> None:
        """Note why the arrays with these prefixes are not compared."""
        for name in self.arrays:
            if name.startswith(prefixes):
                self.skipped[name] = reason

    def _add(self, case: str, **outcome: Any) -> None:
        self.results.append(CaseResult(section=self.name, case=case, **outcome))


def section_named(sections: Mapping[str, GoldenSection], name: str) -> GoldenSection:
    """Return a section that another one builds on.

    Raises:
        GoldenError: If it is not there or could not be read.
    """
    if name not in sections:
        raise GoldenError(f'needs the section {name!r}, which could not be read')
    return sections[name]


def read_manifest(directory: Path) -> dict[str, Mapping[str, Any]]:
    """Return the sections of a folder's manifest by name.

    Raises:
        GoldenError: If it cannot be read or lists no file.
    """
    path = directory / MANIFEST_FILE
    try:
        files = json.loads(path.read_text())['files']
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GoldenError(f'cannot read {path}: {error!r}') from error
    if not isinstance(files, dict) or not files:
        raise GoldenError(f'{path} lists no file')
    return files


def read_section(directory: Path, name: str, info: Mapping[str, Any]) -> GoldenSection:
    """Read and check one file; arrays that the manifest lists but the file lacks are failures.

    Raises:
        GoldenError: If the file is missing, or is not the one that the manifest describes.
    """
    path = directory / info['file']
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise GoldenError(f'cannot read {path}: {error.strerror}') from error
    if digest != info['sha256']:
        raise GoldenError(f'{path} is corrupt: its sha256 is {digest}, expected {info["sha256"]}')
    try:
        section = GoldenSection(name=name, info=info, arrays=load_file(path))
    except SafetensorError as error:
        raise GoldenError(f'cannot read {path}: {error}') from error
    for missing in sorted(set(info['arrays']) - set(section.arrays)):
        section.results.append(CaseResult(
            section=name, case=missing, problem=f'array is missing from {path.name}'))
    return section
