# SPDX-License-Identifier: Apache-2.0
"""Arrays as values: checked once on entry, then locked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, DTypeLike


def locked_array(
    name: str, value: ArrayLike, *, dtype: DTypeLike, shape: Sequence[int | None],
    error: type[Exception] = ValueError,
) -> np.ndarray:
    """Return `value` as a read-only array of the given dtype and shape.

    Args:
        name: What the array is, for the error text.
        value: Anything numpy can convert. A read-only array of the right dtype is not copied.
        dtype: Element type of the result.
        shape: Expected shape; None allows any size on that axis.
        error: Raised when the shape differs or a floating-point element is not finite.
    """
    array = np.asarray(value, dtype=dtype)
    if array.ndim != len(shape) or any(
            want is not None and have != want for have, want in zip(array.shape, shape)):
        raise error(f'{name} has shape {array.shape}, expected {tuple(shape)}')
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        where = np.argwhere(~np.isfinite(array))[0].tolist()
        raise error(f'{name} is not finite at index {where}: {array[tuple(where)]}')
    if array.flags.writeable:
        array = array.copy()
        array.setflags(write=False)
    return array
