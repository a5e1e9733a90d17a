# SPDX-License-Identifier: Apache-2.0
"""Maps from outside, read field by field and checked on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cosmos_policy_ros.errors import CosmosPolicyError


class Fields:
    """The fields of a decoded message.

    Args:
        what: What the message is, for error texts.
        value: The decoded message.
        error: Raised when the message is no map, or a field is missing or of the wrong kind.
    """

    def __init__(self, what: str, value: object, error: type[CosmosPolicyError]) -> None:
        self._what = what
        self._error = error
        if not isinstance(value, Mapping):
            raise error(f'{what} is {_kind(value)}, expected a map')
        self._value = value

    def refuse_others(self, known: Sequence[str]) -> None:
        """Refuse fields that nobody would read."""
        others = [key for key in self._value if key not in known]
        if others:
            raise self._error(
                f'{self._what} holds unknown fields {", ".join(map(repr, others[:5]))}; known '
                f'are {", ".join(known)}')

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the fields that are there."""
        return tuple(self._value)

    def has(self, key: str) -> bool:
        """Whether a field is there and not None."""
        return self._value.get(key) is not None

    def text(self, key: str) -> str:
        """Return a text."""
        return self._checked(key, str, 'a text')

    def flag(self, key: str) -> bool:
        """Return true or false."""
        return bool(self._checked(key, (bool, np.bool_), 'true or false'))

    def integer(self, key: str) -> int:
        """Return an integer."""
        value = self._checked(key, (int, np.integer), 'an integer')
        if isinstance(value, bool):
            raise self._error(f'{key} of {self._what} is {value}, expected an integer')
        return int(value)

    def number(self, key: str) -> float:
        """Return a number that is finite."""
        value = self._checked(key, (int, float, np.integer, np.floating), 'a number')
        if isinstance(value, bool) or not np.isfinite(value):
            raise self._error(f'{key} of {self._what} is {value}, expected a finite number')
        return float(value)

    def numbers(self, key: str) -> np.ndarray:
        """Return an array of integers or floats of any shape; nested lists are converted."""
        value = self._checked(key, (np.ndarray, list), 'an array of numbers')
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise self._error(f'{key} of {self._what} is no array: {error}') from error
        if array.dtype.kind not in 'iuf':
            raise self._error(
                f'{key} of {self._what} has dtype {array.dtype}, expected numbers')
        return array

    def map(self, key: str) -> Mapping[str, object]:
        """Return a map whose keys are texts."""
        value = self._checked(key, Mapping, 'a map')
        if not all(isinstance(name, str) for name in value):
            raise self._error(f'{key} of {self._what} has keys that are no texts')
        return value

    def items(self, key: str) -> Fields:
        """Return the items of a list as fields named 0, 1, ..."""
        values = self._checked(key, (list, tuple), 'a list')
        named = {str(index): value for index, value in enumerate(values)}
        return Fields(f'{key} of {self._what}', named, self._error)

    def images(self, key: str) -> dict[str, np.ndarray]:
        """Return a map of images. Each of shape (H, W, 3), uint8."""
        images = self.map(key)
        fields = Fields(f'{key} of {self._what}', images, self._error)
        return {name: fields.image(name) for name in images}

    def image(self, key: str) -> np.ndarray:
        """Return one image with the colour channel last; (3, H, W) is turned to (H, W, 3)."""
        image = self.numbers(key)
        if image.ndim == 3 and image.shape[0] == 3 and image.shape[2] != 3:
            image = image.transpose(1, 2, 0)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise self._error(
                f'image {key!r} of {self._what} has shape {image.shape} and dtype {image.dtype}; '
                'expected (H, W, 3) or (3, H, W) of uint8')
        return image

    def _checked(self, key: str, kinds: type | tuple[type, ...], expected: str) -> object:
        if key not in self._value:
            raise self._error(f'{self._what} has no {key!r}, expected {expected}')
        value = self._value[key]
        if not isinstance(value, kinds):
            raise self._error(f'{key} of {self._what} is {_kind(value)}, expected {expected}')
        return value


def _kind(value: object) -> str:
    return 'nothing' if value is None else type(value).__name__
