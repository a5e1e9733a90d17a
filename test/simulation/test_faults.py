# SPDX-License-Identifier: Apache-2.0
"""Requests for faults: refused with what is allowed, or turned into faults of single targets."""

import pytest

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.simulation.faults import FAULTS, faults_from_request

ARMS, CAMERAS = ('follower_left', 'follower_right'), ('cam_high',)


def request(name, **changes):
    """Ask for a fault at 5 s."""
    values = {'target': '', 'duration_s': 0.0, 'amount': 0.0, 'seed': 0, 'now_ns': 5_000_000_000,
              'arms': ARMS, 'cameras': CAMERAS, **changes}
    return faults_from_request(name, **values)


@pytest.mark.parametrize('kind', FAULTS.values(), ids=FAULTS)
def test_every_fault_hits_all_that_it_can_unless_told_otherwise(kind):
    possible = ARMS if kind.hits == 'arm' else CAMERAS
    for target in ('', 'both', 'all'):
        assert tuple(fault.target for fault in request(kind.name, target=target)) == possible
    [fault] = request(kind.name, target=possible[-1])
    assert fault.target == possible[-1] and fault.amount == kind.usual
    assert kind.low <= kind.usual <= kind.high


def test_a_fault_with_a_duration_ends_by_itself():
    [fault] = request('camera_drop', duration_s=2.0)
    assert not fault.is_over(6_999_999_999) and fault.is_over(7_000_000_000)
    [fault] = request('camera_drop')
    assert not fault.is_over(2**62)


@pytest.mark.parametrize(('name', 'changes', 'words'), [
    ('gremlins', {}, ("'gremlins'", 'joints_freeze', 'driver_crash', 'camera_drop')),
    ('joints_nan', {'target': 'cam_high'}, ("'cam_high'", 'follower_left, follower_right')),
    ('camera_drop', {'target': 'follower_left'}, ("'follower_left'", 'cam_high')),
    ('camera_drop', {'cameras': ()}, ('allowed: nothing', 'no camera is simulated')),
    ('joints_drop', {'amount': 1.5}, ('1.5', '0.01 to 1')),
    ('joints_drop', {'amount': float('nan')}, ('nan', '0.01 to 1')),
    ('joints_nan', {'amount': 2.0}, ('joints_nan has none',)),
    ('joints_drop', {'duration_s': -1.0}, ('duration_s is -1.0', '0 (until ended)')),
    ('joints_drop', {'duration_s': float('nan')}, ('duration_s is nan',)),
])
def test_a_request_that_makes_no_sense_is_refused_with_what_is_allowed(name, changes, words):
    with pytest.raises(ConfigurationError) as refusal:
        request(name, **changes)
    for word in words:
        assert word in str(refusal.value)
