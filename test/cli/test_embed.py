# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy embed`: new tasks beside a checkpoint, nothing lost or overwritten unasked."""

from diffusion.released_layout import write_autoencoder, write_policy
from diffusion.tiny_t5 import write_tiny_t5
import pytest
import torch

from cosmos_policy_ros.cli.main import main
from cosmos_policy_ros.diffusion.checkpoint import load_checkpoint, save_checkpoint
from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy

pytest.importorskip('transformers')
pytest.importorskip('sentencepiece')


@pytest.fixture(scope='module')
def tiny_t5(tmp_path_factory):
    """Folder of an encoder as wide as the tiny model expects."""
    return str(write_tiny_t5(tmp_path_factory.mktemp('t5') / 'tiny'))


@pytest.fixture
def folder(tmp_path, tiny_checkpoint):
    """Folder of the tiny model."""
    save_checkpoint(tmp_path / 'tiny', model=tiny_checkpoint.model,
                    statistics=tiny_checkpoint.statistics,
                    text_embeddings=tiny_checkpoint.text_embeddings)
    return tmp_path / 'tiny'


def test_a_new_task_is_added_and_can_be_used_at_once(
        folder, tiny_t5, tiny_checkpoint, synthetic_observation, capsys):
    assert main(['embed', 'put the candy in the bag', '--checkpoint', str(folder),
                 '--encoder', tiny_t5]) == 0
    assert 'put the candy in the bag' in capsys.readouterr().out
    embeddings = load_checkpoint(folder).text_embeddings
    assert embeddings.tasks == (
        'insert the peg', 'put the candy in the bag', 'transfer the cube')
    assert torch.equal(embeddings.embedding('insert the peg'),
                       tiny_checkpoint.text_embeddings.embedding('insert the peg'))
    prediction = CosmosPolicy.load(folder).predict(
        synthetic_observation(task='put the candy in the bag'), seed=0)
    assert prediction.chunk.positions.shape == (6, 14)


def test_several_tasks_are_added_in_one_run(folder, tiny_t5):
    assert main(['embed', 'wave', 'fold', '--checkpoint', str(folder), '--encoder', tiny_t5]) == 0
    assert {'wave', 'fold'} <= set(load_checkpoint(folder).text_embeddings.tasks)


def test_a_known_task_is_replaced_only_when_forced(folder, tiny_t5, capsys):
    command = ['embed', 'insert the peg', '--checkpoint', str(folder), '--encoder', tiny_t5]
    before = load_checkpoint(folder).text_embeddings.embedding('insert the peg')
    assert main(command) == 1
    assert "knows 'insert the peg' already; --force" in ' '.join(capsys.readouterr().err.split())
    assert torch.equal(load_checkpoint(folder).text_embeddings.embedding('insert the peg'), before)
    assert main([*command, '--force']) == 0
    after = load_checkpoint(folder).text_embeddings.embedding('insert the peg')
    assert not torch.equal(after, before)


def test_a_released_folder_keeps_its_pickle_and_knows_both(
        tmp_path, tiny_t5, tiny_checkpoint, folder):
    released = write_policy(tmp_path / 'released', tiny_checkpoint)
    write_autoencoder(released, tiny_checkpoint)
    pickled = (released / 'aloha_t5_embeddings.pkl').read_bytes()
    config = str(folder / 'config.json')
    assert main(['embed', 'wave', '--checkpoint', str(released), '--encoder', tiny_t5,
                 '--config', config]) == 0
    assert (released / 'aloha_t5_embeddings.pkl').read_bytes() == pickled
    assert load_checkpoint(released, config=config).text_embeddings.tasks == (
        'insert the peg', 'transfer the cube', 'wave')
    assert main(['embed', 'insert the peg', '--checkpoint', str(released), '--encoder', tiny_t5,
                 '--config', config]) == 1


def test_a_text_that_is_too_long_is_told(folder, tiny_t5, capsys):
    assert main(['embed', 'put the candy in the bag', '--checkpoint', str(folder),
                 '--encoder', tiny_t5]) == 0
    assert 'the model takes 3, the others are cut off' in ' '.join(capsys.readouterr().out.split())


def test_an_encoder_of_another_width_is_refused_with_both_numbers(folder, tmp_path, capsys):
    wide = write_tiny_t5(tmp_path / 'wide', width=16)
    before = (folder / 'text_embeddings.safetensors').read_bytes()
    assert main(['embed', 'wave', '--checkpoint', str(folder), '--encoder', str(wide)]) == 1
    assert 'is 16 wide, but the model expects text tokens of 12' in ' '.join(
        capsys.readouterr().err.split())
    assert (folder / 'text_embeddings.safetensors').read_bytes() == before


@pytest.mark.parametrize('tasks', [[''], ['wave', '  '], []])
def test_blank_tasks_are_refused(folder, tiny_t5, capsys, tasks):
    assert main(['embed', *tasks, '--checkpoint', str(folder), '--encoder', tiny_t5]) == 1
    assert 'at least one is required' in ' '.join(capsys.readouterr().err.split())


def test_an_unknown_checkpoint_is_refused(tiny_t5, capsys):
    assert main(['embed', 'wave', '--checkpoint', 'aloha_3b', '--encoder', tiny_t5]) == 1
    assert 'known models: aloha_2b' in ' '.join(capsys.readouterr().err.split())
