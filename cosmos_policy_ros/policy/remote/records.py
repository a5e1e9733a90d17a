# SPDX-License-Identifier: Apache-2.0
"""Dataclasses as maps of the same names, read back by the types that they declare.

A field is a text, number, boolean or numpy array, another such dataclass, a tuple of equal kinds,
or None where that is declared.
"""

from __future__ import annotations

from dataclasses import asdict, fields as dataclass_fields, is_dataclass, MISSING
from typing import Any, get_args, get_origin, get_type_hints, TypeVar

import numpy as np

from cosmos_policy_ros.errors import CosmosPolicyError
from cosmos_policy_ros.policy.remote.fields import Fields

_Record = TypeVar('_Record')
_READERS = {str: Fields.text, bool: Fields.flag, int: Fields.integer, float: Fields.number,
            np.ndarray: Fields.numbers}


def record_to_wire(record: object) -> dict[str, object]:
    """Return a dataclass as a map."""
    return asdict(record)


def record_from_wire(
    kind: type[_Record], message: object, *, what: str, error: type[CosmosPolicyError],
) -> _Record:
    """Read a dataclass from a map; what is missing has its default.

    Args:
        kind: The dataclass.
        message: The map.
        what: What the map is, for error texts.
        error: Raised when a field is unknown, of another type, or missing without a default.
    """
    fields = Fields(what, message, error)
    known = dataclass_fields(kind)
    fields.refuse_others([field.name for field in known])
    hints = get_type_hints(kind)
    required = {field.name for field in known
                if field.default is MISSING and field.default_factory is MISSING}
    return kind(**{name: _read(fields, name, hint, error) for name, hint in hints.items()
                   if name in required or name in fields.names})


def _read(fields: Fields, key: str, hint: Any, error: type[CosmosPolicyError]) -> object:
    options = get_args(hint)
    if type(None) in options:
        return _read(fields, key, options[0], error) if fields.has(key) else None
    if get_origin(hint) is tuple:
        items = fields.items(key)
        return tuple(_read(items, index, options[0], error) for index in items.names)
    if is_dataclass(hint):
        return record_from_wire(hint, fields.map(key), what=key, error=error)
    return _READERS[hint](fields, key)
