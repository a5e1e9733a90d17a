# SPDX-License-Identifier: Apache-2.0
"""Checkpoints are found by path, by name, and in installed prefixes."""

import pytest

from cosmos_policy_ros.diffusion.checkpoint_paths import find_checkpoint, known_checkpoints
from cosmos_policy_ros.errors import CheckpointError


def make_model(root, name):
    """Create a folder that looks like a checkpoint."""
    folder = root / name
    folder.mkdir(parents=True)
    (folder / 'config.json').write_text('{}')
    return folder


def test_the_models_of_this_repository_are_known_by_name():
    assert {'aloha_2b', 'aloha_small'} <= set(known_checkpoints())
    assert find_checkpoint('aloha_small').name == 'aloha_small'


def test_a_folder_is_taken_as_it_is(tmp_path):
    folder = make_model(tmp_path, 'mine')
    assert find_checkpoint(folder) == find_checkpoint(str(folder)) == folder


def test_models_of_an_ament_prefix_are_found(tmp_path, monkeypatch):
    folder = make_model(tmp_path / 'share' / 'cosmos_policy_ros' / 'models', 'installed_one')
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'/nowhere:{tmp_path}')
    assert find_checkpoint('installed_one') == folder


def test_models_of_the_python_prefix_are_found(tmp_path, monkeypatch):
    folder = make_model(tmp_path / 'share' / 'cosmos_policy_ros' / 'models', 'installed_two')
    monkeypatch.setattr('sys.prefix', str(tmp_path))
    assert find_checkpoint('installed_two') == folder


def test_the_source_tree_wins_over_an_installed_model_of_the_same_name(tmp_path, monkeypatch):
    make_model(tmp_path / 'share' / 'cosmos_policy_ros' / 'models', 'aloha_small')
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    assert tmp_path not in find_checkpoint('aloha_small').parents


@pytest.mark.parametrize('name', ['aloha_3b', '', '/nowhere/at/all'])
def test_what_cannot_be_found_is_refused_with_the_known_names(name):
    with pytest.raises(CheckpointError, match='known models: aloha_2b, aloha_small'):
        find_checkpoint(name)


def test_a_folder_without_a_configuration_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match='config.json'):
        find_checkpoint(tmp_path)
