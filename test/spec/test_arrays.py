# SPDX-License-Identifier: Apache-2.0
"""Arrays as values."""

import numpy as np
import pytest

from cosmos_policy_ros.errors import ObservationError
from cosmos_policy_ros.spec.arrays import locked_array


def test_the_result_is_a_copy_that_cannot_be_changed():
    given = np.zeros(3)
    array = locked_array('x', given, dtype=np.float64, shape=(3,))
    given[0] = 1.0
    assert array[0] == 0.0
    with pytest.raises(ValueError, match='read-only'):
        array[0] = 1.0


def test_a_read_only_array_is_not_copied():
    array = locked_array('x', np.zeros(3), dtype=np.float64, shape=(None,))
    assert locked_array('x', array, dtype=np.float64, shape=(3,)) is array


@pytest.mark.parametrize('value', [np.zeros((3, 1)), np.zeros(4), 0.0])
def test_a_wrong_shape_is_refused_naming_both(value):
    with pytest.raises(ObservationError, match=r'x has shape .*expected \(3,\)'):
        locked_array('x', value, dtype=np.float64, shape=(3,), error=ObservationError)


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_refused_naming_its_place(bad):
    with pytest.raises(ValueError, match=r'x is not finite at index \[1\]'):
        locked_array('x', [0.0, bad, 0.0], dtype=np.float64, shape=(3,))
