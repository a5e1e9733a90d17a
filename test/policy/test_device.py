# SPDX-License-Identifier: Apache-2.0
"""Devices by name."""

import pytest
import torch

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.policy.device import choose_device, limit_threads


def test_auto_takes_a_gpu_where_there_is_one():
    expected = 'cuda' if torch.cuda.is_available() else 'cpu'
    assert choose_device('auto').type == expected
    assert choose_device('cpu').type == 'cpu'


@pytest.mark.parametrize('name', ['toaster', 'cuda:99', ''])
def test_a_device_that_is_not_there_is_refused_by_name(name):
    with pytest.raises(ConfigurationError, match=f"device '{name}'"):
        choose_device(name)


def test_threads_are_limited():
    before = torch.get_num_threads()
    limit_threads(1)
    assert torch.get_num_threads() == 1
    limit_threads(before)
