# SPDX-License-Identifier: Apache-2.0
"""Released checkpoints: read as they were downloaded, wherever they lie, or refused by name."""

from dataclasses import replace
import json

from diffusion.released_layout import (
    BASE, move_to_cache, PLANNING, POLICY, released_tensors, write_autoencoder, write_embeddings,
    write_policy, write_statistics)
import pytest
import torch

from cosmos_policy_ros.diffusion.checkpoint import load_checkpoint, save_checkpoint
from cosmos_policy_ros.diffusion.config import save_config
from cosmos_policy_ros.errors import CheckpointError, ConfigurationError

pytestmark = [pytest.mark.usefixtures('hub_cache', 'known_tiny'),
              pytest.mark.filterwarnings('ignore:torch.distributed is disabled')]


@pytest.fixture
def released(tmp_path, tiny_checkpoint):
    """A folder as downloaded with everything in it."""
    folder = write_policy(tmp_path / 'downloaded', tiny_checkpoint)
    write_autoencoder(folder, tiny_checkpoint)
    return folder


def holds_weights_of(checkpoint, expected):
    """Whether a checkpoint holds the weights of another, rounded to its precision."""
    given = expected.model.state_dict()
    return all(torch.equal(tensor, given[name].to(tensor.dtype))
               for name, tensor in checkpoint.model.state_dict().items())


def test_a_downloaded_folder_is_read_as_it_is(released, tiny_checkpoint):
    loaded = load_checkpoint(released)
    assert holds_weights_of(loaded, tiny_checkpoint)
    assert loaded.name == POLICY and loaded.is_trained and not loaded.model.training
    assert loaded.text_embeddings.tasks == tiny_checkpoint.text_embeddings.tasks
    for name in ('actions', 'proprio'):
        ours, theirs = (getattr(one.statistics, name) for one in (loaded, tiny_checkpoint))
        assert (ours.lower == theirs.lower).all() and (ours.upper == theirs.upper).all()


def test_the_path_of_the_weight_file_alone_is_enough(released, tiny_checkpoint):
    assert holds_weights_of(load_checkpoint(released / f'{POLICY}.pt'), tiny_checkpoint)


def test_a_fetched_repository_is_read_by_its_name(
        tmp_path, hub_cache, tiny_checkpoint, monkeypatch):
    monkeypatch.chdir(tmp_path)
    policy = write_policy(tmp_path / 'a', tiny_checkpoint)
    write_autoencoder(tmp_path / 'b', tiny_checkpoint)
    move_to_cache(policy, hub_cache, f'nvidia/{POLICY}')
    move_to_cache(tmp_path / 'b', hub_cache, f'nvidia/{BASE}')
    loaded = load_checkpoint(f'nvidia/{POLICY}')
    assert holds_weights_of(loaded, tiny_checkpoint) and loaded.name == POLICY


def test_the_autoencoder_is_found_in_the_folder_of_the_base_model_beside(
        tmp_path, tiny_checkpoint):
    folder = write_policy(tmp_path / 'nvidia' / POLICY, tiny_checkpoint)
    write_autoencoder(tmp_path / 'nvidia' / BASE, tiny_checkpoint)
    assert holds_weights_of(load_checkpoint(folder), tiny_checkpoint)


@pytest.mark.parametrize('place', ['beside', 'cache'])
def test_the_planning_model_takes_what_it_shares_from_the_policy(
        tmp_path, hub_cache, tiny_checkpoint, place):
    policy = write_policy(tmp_path / 'nvidia' / POLICY, tiny_checkpoint)
    planning = tmp_path / 'nvidia' / PLANNING
    planning.mkdir()
    torch.save(released_tensors(tiny_checkpoint.model), planning / f'{PLANNING}.pt')
    base = write_autoencoder(tmp_path / 'nvidia' / BASE, tiny_checkpoint).parents[1]
    if place == 'cache':
        for folder in (policy, base):
            move_to_cache(folder, hub_cache, f'nvidia/{folder.name}')
    loaded = load_checkpoint(planning)
    assert loaded.model.config.trained_values == ('v_next',)
    assert loaded.text_embeddings.tasks == tiny_checkpoint.text_embeddings.tasks


def test_the_policy_itself_claims_no_trained_value(released):
    assert load_checkpoint(released).model.config.trained_values == ()


def test_released_weights_run_in_bfloat16_on_a_cpu_unless_asked_otherwise(released):
    loaded = load_checkpoint(released)
    assert loaded.dtype is torch.bfloat16
    assert {tensor.dtype for tensor in loaded.model.parameters()} == {torch.bfloat16}
    assert load_checkpoint(released, dtype=torch.float32).dtype is torch.float32


def test_times_joints_and_latent_statistics_are_rounded_as_in_training(released):
    model = load_checkpoint(released).model
    times = [torch.tensor([[time]]) for time in (80 / 81, 0.98828125)]
    for ours, rounded in zip(*(model.transformer.embed_timesteps(time) for time in times)):
        assert torch.equal(ours, rounded)
    mean, std = model.autoencoder._channel_statistics()
    assert mean.flatten()[0].item() == -0.7578125 and std.flatten()[0].item() == 2.8125
    latents = model.inject_proprio(
        torch.zeros(1, *model.sequence_shape), torch.full((1, 14), 0.1, dtype=torch.float64))
    assert latents.dtype is torch.float32
    assert latents[0, :, model.layout.proprio].unique().tolist() == [
        torch.tensor(0.1).bfloat16().item()]


def test_a_configuration_of_ours_beside_released_files_is_used(released, tiny_config):
    save_config(released / 'config.json', replace(
        tiny_config, random_weights_seed=None, num_denoising_steps=7))
    loaded = load_checkpoint(released)
    assert loaded.model.config.num_denoising_steps == 7
    assert loaded.dtype is torch.float32


def test_a_configuration_asked_for_is_used(released, tmp_path, tiny_config):
    save_config(tmp_path / 'other.json', replace(
        tiny_config, random_weights_seed=None, num_denoising_steps=9))
    by_path = load_checkpoint(released, config=tmp_path / 'other.json')
    assert by_path.model.config.num_denoising_steps == 9
    assert load_checkpoint(released, config='known_tiny').model.config.num_denoising_steps == 3
    with pytest.raises(ConfigurationError, match='nowhere'):
        load_checkpoint(released, config='nowhere')


def test_a_folder_of_distributed_training_is_read(tmp_path, tiny_checkpoint):
    from torch.distributed import checkpoint as distributed
    folder = write_policy(tmp_path / 'iter_000000100', tiny_checkpoint)
    write_autoencoder(folder, tiny_checkpoint)
    (folder / f'{POLICY}.pt').unlink()
    distributed.save(released_tensors(tiny_checkpoint.model), checkpoint_id=folder / 'model')
    for path in (folder, folder / 'model'):
        loaded = load_checkpoint(path)
        assert holds_weights_of(loaded, tiny_checkpoint) and loaded.name == 'iter_000000100'


def test_a_new_embedding_beside_the_released_ones_replaces_its_task_and_keeps_the_others(
        released, tiny_checkpoint):
    known = tiny_checkpoint.text_embeddings.by_task
    save_checkpoint(released / 'scratch', model=tiny_checkpoint.model,
                    statistics=tiny_checkpoint.statistics,
                    text_embeddings=replace(tiny_checkpoint.text_embeddings, by_task={
                        'insert the peg': torch.ones(3, 12), 'wave': torch.zeros(3, 12)}))
    (released / 'scratch' / 'text_embeddings.safetensors').rename(
        released / 'text_embeddings.safetensors')
    embeddings = load_checkpoint(released).text_embeddings
    assert embeddings.tasks == ('insert the peg', 'transfer the cube', 'wave')
    assert torch.equal(embeddings.embedding('insert the peg'), torch.ones(3, 12))
    assert torch.equal(embeddings.embedding('transfer the cube'),
                       known['transfer the cube'].bfloat16())


@pytest.mark.parametrize('change, text', [
    (lambda t: t.pop('net.blocks.1.mlp.layer1.weight'), '1 missing: blocks.1.mlp.layer1.weight'),
    (lambda t: t.update({'net.stranger': torch.zeros(1)}), '1 unexpected: stranger'),
    (lambda t: t.update({'net.final_layer.linear.weight': torch.zeros(5)}),
     r'1 of another shape: final_layer.linear.weight \(5,\) instead of \(64, 48\)'),
    (lambda t: t.pop('net.x_embedder.proj.1.weight'), 'none .* named x_embedder.proj.1.weight'),
    (lambda t: t.clear(), 'not the weights of a transformer')])
def test_weights_that_do_not_fit_are_refused_by_name(released, tiny_checkpoint, change, text):
    tensors = released_tensors(tiny_checkpoint.model)
    change(tensors)
    torch.save(tensors, released / f'{POLICY}.pt')
    with pytest.raises(CheckpointError, match=f'{POLICY}.pt: .*{text}'):
        load_checkpoint(released)


def test_averaged_weights_alone_are_refused(released, tiny_checkpoint):
    torch.save({name.replace('net.', 'net_ema.'): tensor for name, tensor
                in released_tensors(tiny_checkpoint.model).items()}, released / f'{POLICY}.pt')
    with pytest.raises(CheckpointError, match='not the weights of a transformer'):
        load_checkpoint(released)


def test_weights_of_an_unknown_size_are_refused_with_the_known_ones(released, monkeypatch):
    monkeypatch.delenv('AMENT_PREFIX_PATH')
    known = r'aloha_2b \(28 blocks of width 2048\)'
    with pytest.raises(CheckpointError,
                       match=f'2 blocks of width 48, which fits none.*{known}.*config.json'):
        load_checkpoint(released)


def test_among_equal_networks_the_statistics_decide(released, tmp_path, tiny_config):
    other = tmp_path / 'prefix' / 'share' / 'cosmos_policy_ros' / 'models' / 'seven_joints'
    other.mkdir()
    save_config(other / 'config.json', replace(
        tiny_config, random_weights_seed=None, action_dim=7, proprio_dim=7))
    assert load_checkpoint(released).model.config.action_dim == 14
    save_config(other / 'config.json', replace(tiny_config, random_weights_seed=None))
    with pytest.raises(CheckpointError, match='which fits 2 of .*known_tiny.*seven_joints'):
        load_checkpoint(released)


def test_statistics_of_another_robot_are_refused(released, tiny_checkpoint):
    path = released / 'aloha_dataset_statistics.json'
    content = {key: values[:7] for key, values in json.loads(path.read_text()).items()}
    path.rename(released / 'libero_dataset_statistics.json').write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match='libero_dataset_statistics.json: actions_min has '
                                              '7 values; expected a list of 14'):
        load_checkpoint(released)


@pytest.mark.parametrize('name', ['dataset_statistics.json', 'libero_dataset_statistics.json',
                                  'robocasa_dataset_statistics.json', 'statistics.json'])
def test_statistics_are_found_under_every_released_name(released, name):
    (released / 'aloha_dataset_statistics.json').rename(released / name)
    (released / 'dataset_statistics_post_norm.json').write_text('{}')
    load_checkpoint(released)


@pytest.mark.parametrize('write, name', [
    (lambda folder, one: write_statistics(folder / 'libero_dataset_statistics.json',
                                          one.statistics), 'libero_dataset_statistics.json'),
    (lambda folder, one: write_embeddings(folder / 't5_embeddings.pkl',
                                          one.text_embeddings.by_task), 't5_embeddings.pkl'),
    (lambda folder, one: torch.save({}, folder / 'other.pt'), 'other.pt')])
def test_two_files_for_one_part_are_refused(released, tiny_checkpoint, write, name):
    write(released, tiny_checkpoint)
    with pytest.raises(CheckpointError, match=f'several files.*{name}'):
        load_checkpoint(released)


@pytest.mark.parametrize('name, text', [
    ('aloha_dataset_statistics.json', 'no statistics: .*dataset_statistics.json'),
    ('aloha_t5_embeddings.pkl', 'no text embeddings: .*t5_embeddings.pkl'),
    ('tokenizer/tokenizer.pth', f'no autoencoder: .*cosmos-policy fetch nvidia/{BASE}')])
def test_a_missing_part_is_refused_by_name(released, name, text):
    (released / name).unlink()
    with pytest.raises(CheckpointError, match=text):
        load_checkpoint(released)


def test_the_known_2b_model_without_weights_says_where_they_come_from():
    with pytest.raises(CheckpointError, match=f'no weights: .*fetch nvidia/{POLICY}'):
        load_checkpoint('aloha_2b')
