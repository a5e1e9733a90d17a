# SPDX-License-Identifier: Apache-2.0
"""ROS parameters as fields of a frozen dataclass: each name, unit and range is written once.

`parameter` describes a field, `declare` turns all fields into parameter declarations with
descriptors and returns the instance that the overrides fill, and `updated` validates a set of
changes as a whole. Two underscores in the name of a field are a dot in that of its parameter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, fields, MISSING, replace
import math
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from cosmos_policy_ros.errors import ConfigurationError

P = TypeVar('P')


def parameter(
    default: Any, description: str, *, low: float | None = None, high: float | None = None,
    choices: tuple[str, ...] = (), read_only: bool = False,
) -> Any:
    """Describe one parameter as a dataclass field.

    Args:
        default: Default value; its type is the parameter's type.
        description: One line that names the unit in brackets.
        low: Smallest allowed number.
        high: Largest allowed number.
        choices: Allowed texts.
        read_only: Fixed once the node runs.
    """
    metadata = {'description': description, 'low': low, 'high': high, 'choices': choices,
                'read_only': read_only}
    if isinstance(default, tuple):
        return field(default_factory=lambda: default, metadata=metadata)
    return field(default=default, metadata=metadata)


def declare(node: Node, kind: type[P]) -> P:
    """Declare the fields of `kind` on the node and return the values, overrides applied.

    Raises:
        ConfigurationError: If an override has the wrong type or is not allowed.
    """
    values = {}
    for item in fields(kind):
        name, default = ros_name(item.name), _default(item)
        try:
            declared = node.declare_parameter(
                name, Parameter.Type.STRING_ARRAY if default == () else _plain(default),
                _descriptor(item, default))
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            raise ConfigurationError(
                f'parameter {name} of {node.get_name()}: {error}') from error
        values[item.name] = default if declared.value is None else _typed(declared.value, default)
    return _checked(kind(**values))


def updated(current: P, changes: Iterable[Parameter]) -> P:
    """Return `current` with the changes applied, validated as a whole.

    Raises:
        ConfigurationError: If a value is not allowed. Parameters of others (`use_sim_time`) pass.
    """
    names = {ros_name(item.name): item.name for item in fields(current)}
    values = {names[change.name]: _typed(change.value, getattr(current, names[change.name]))
              for change in changes if change.name in names}
    return _checked(replace(current, **values))


def ros_name(field_name: str) -> str:
    """Return the name of the parameter that a field declares."""
    return field_name.replace('__', '.')


def _default(item: Any) -> Any:
    return item.default if item.default is not MISSING else item.default_factory()


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _typed(value: Any, like: Any) -> Any:
    return tuple(value or ()) if isinstance(like, tuple) else value


def _checked(parameters: P) -> P:
    for item in fields(parameters):
        _check_value(item, getattr(parameters, item.name))
    return parameters


def _check_value(item: Any, value: Any) -> None:
    low, high, choices = (item.metadata[key] for key in ('low', 'high', 'choices'))
    claim = f'parameter {ros_name(item.name)} is {value!r}'
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigurationError(f'{claim}; it must be finite')
    if low is not None and not low <= value <= high:
        raise ConfigurationError(f'{claim}; allowed is {low} to {high}')
    if choices and value not in choices:
        raise ConfigurationError(f'{claim}; allowed is one of {", ".join(choices)}')


def _descriptor(item: Any, default: Any) -> ParameterDescriptor:
    metadata = item.metadata
    descriptor = ParameterDescriptor(
        description=metadata['description'], read_only=metadata['read_only'],
        additional_constraints=' | '.join(metadata['choices']))
    if metadata['low'] is not None and isinstance(default, float):
        descriptor.floating_point_range = [FloatingPointRange(
            from_value=float(metadata['low']), to_value=float(metadata['high']))]
    elif metadata['low'] is not None:
        descriptor.integer_range = [IntegerRange(
            from_value=metadata['low'], to_value=metadata['high'])]
    return descriptor
