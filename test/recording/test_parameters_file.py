# SPDX-License-Identifier: Apache-2.0
"""Parameters of an episode, as a file that a node can be started with."""

import pytest
import yaml

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.parameters_file import PARAMETERS_FILE, save_parameters


def test_the_file_is_a_parameter_file_of_all_nodes(tmp_path):
    save_parameters(tmp_path, {'/arm_node': {'dry_run': True}, '/a/b': {'gains': [1.0, 2.0]}})
    assert yaml.safe_load((tmp_path / PARAMETERS_FILE).read_text()) == {
        '/arm_node': {'ros__parameters': {'dry_run': True}},
        '/a/b': {'ros__parameters': {'gains': [1.0, 2.0]}}}


def test_a_folder_that_is_not_there_is_refused_naming_the_file(tmp_path):
    with pytest.raises(RecordingError, match=PARAMETERS_FILE):
        save_parameters(tmp_path / 'gone', {})
