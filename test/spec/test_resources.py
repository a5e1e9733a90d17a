# SPDX-License-Identifier: Apache-2.0
"""Data files are found, or their absence explained."""

import pytest

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.spec.resources import resource


def test_the_data_of_the_package_is_found():
    assert resource('config/robots/interbotix.yaml').is_file()
    assert resource('models/aloha_small/config.json').is_file()


def test_an_absent_resource_names_the_folders_searched():
    with pytest.raises(ConfigurationError, match='no config/absent.yaml in any of: /'):
        resource('config/absent.yaml')


def test_a_ros_prefix_is_searched_too(tmp_path, monkeypatch):
    share = tmp_path / 'share' / 'cosmos_policy_ros'
    share.mkdir(parents=True)
    (share / 'only_here').write_text('x')
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    assert resource('only_here') == share / 'only_here'
