# SPDX-License-Identifier: Apache-2.0
"""Checkpoints are found by path, by name, in installed prefixes and in the Hugging Face cache."""

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


@pytest.mark.parametrize('name', [
    'model.safetensors', 'model.pt', 'anything.pt', 'model/.metadata', '.metadata'])
def test_a_folder_with_weights_is_taken_as_it_is(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    assert find_checkpoint(tmp_path) == tmp_path


@pytest.mark.parametrize('name', ['text_embeddings.safetensors', 'tokenizer.pth', 'vae.pt'])
def test_a_folder_with_other_tensors_only_is_refused(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(CheckpointError, match='holds neither config.json nor weights'):
        find_checkpoint(tmp_path)


def test_a_weight_file_is_taken_as_it_is(tmp_path):
    (tmp_path / 'policy.pt').touch()
    assert find_checkpoint(tmp_path / 'policy.pt') == tmp_path / 'policy.pt'


def make_snapshot(cache, revision):
    """Create a revision of `nvidia/some-policy` in a cache."""
    folder = cache / 'models--nvidia--some-policy' / 'snapshots' / revision
    folder.mkdir(parents=True)
    (folder / 'some-policy.pt').touch()
    return folder


def test_a_repository_in_the_cache_is_found_at_the_revision_last_fetched(hub_cache):
    make_snapshot(hub_cache, '1111')
    newest = make_snapshot(hub_cache, '2222')
    (hub_cache / 'models--nvidia--some-policy' / 'refs').mkdir()
    (hub_cache / 'models--nvidia--some-policy' / 'refs' / 'main').write_text('2222\n')
    assert find_checkpoint('nvidia/some-policy') == newest


def test_the_only_revision_in_the_cache_needs_no_reference(hub_cache):
    folder = make_snapshot(hub_cache, '1111')
    assert find_checkpoint('nvidia/some-policy') == folder
    make_snapshot(hub_cache, '2222')
    with pytest.raises(CheckpointError, match='cosmos-policy fetch nvidia/some-policy'):
        find_checkpoint('nvidia/some-policy')


def test_a_folder_of_the_same_name_wins_over_the_cache(hub_cache, tmp_path, monkeypatch):
    make_snapshot(hub_cache, '1111')
    make_model(tmp_path / 'nvidia', 'some-policy')
    monkeypatch.chdir(tmp_path)
    assert str(find_checkpoint('nvidia/some-policy')) == 'nvidia/some-policy'


def test_a_repository_that_was_not_fetched_is_refused_with_the_command_that_does(hub_cache):
    with pytest.raises(CheckpointError, match='cosmos-policy fetch nvidia/unknown; known models'):
        find_checkpoint('nvidia/unknown')
