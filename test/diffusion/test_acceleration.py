# SPDX-License-Identifier: Apache-2.0
"""Accelerated models against the plain one, and their weights against what was loaded."""

from copy import deepcopy
from dataclasses import replace
import logging
from shutil import which
from threading import Thread

import pytest
import torch

from cosmos_policy_ros.diffusion import acceleration as module
from cosmos_policy_ros.diffusion.acceleration import (
    accelerate, Acceleration, difference_from_plain, plain)
from cosmos_policy_ros.diffusion.checkpoint import load_checkpoint, save_checkpoint
from cosmos_policy_ros.diffusion.latent_layout import NetworkRole
from cosmos_policy_ros.errors import ConfigurationError

FUSED = Acceleration(fuse_projections=True)
COMPILED = Acceleration(compile=True, batch_sizes=(1, 2))
NO_COMPILER = which('g++') is None and which('clang++') is None
SEEDS = (0, 1, 2, 3, 4)


@pytest.fixture
def model(tiny_checkpoint):
    """A tiny model of this test's own."""
    return deepcopy(tiny_checkpoint.model)


@pytest.fixture(scope='module')
def clean(tiny_checkpoint):
    """Clean latents of a whole sequence."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, *tiny_checkpoint.model.sequence_shape, generator=generator)


def warnings_of(caplog):
    """Return what the module warned of."""
    return [record for record in caplog.records if record.name == module.__name__]


def text_of(model, checkpoint, index=0):
    """Return keys and values of a task."""
    embeddings = checkpoint.text_embeddings
    return model.encode_text(embeddings.embedding(embeddings.tasks[index]))


def sample(model, checkpoint, clean, seeds=SEEDS):
    """Sample with three denoising steps."""
    return model.sample(clean, role=NetworkRole.POLICY, text=text_of(model, checkpoint),
                        seeds=seeds, num_steps=3)


def test_fused_projections_sample_what_the_plain_model_does(model, tiny_checkpoint, clean):
    expected = sample(tiny_checkpoint.model, tiny_checkpoint, clean)
    accelerate(model, FUSED)
    assert all(block.self_attn.fused is not None for block in model.transformer.blocks)
    torch.testing.assert_close(sample(model, tiny_checkpoint, clean), expected, atol=1e-5, rtol=0)


def test_fused_projections_are_what_the_model_computes_with(model, tiny_checkpoint, clean):
    accelerate(model, FUSED)
    model.transformer.blocks[0].self_attn.fused = torch.zeros_like(
        model.transformer.blocks[0].self_attn.fused)
    assert difference_from_plain(model, clean, text=text_of(model, tiny_checkpoint)) > 1e-4


def test_fused_weights_keep_names_and_values_and_take_no_memory_twice(model, tiny_checkpoint):
    expected = tiny_checkpoint.model.state_dict()
    accelerate(model, FUSED)
    state = model.state_dict()
    assert list(state) == list(expected)
    assert all(torch.equal(state[name], expected[name]) for name in state)
    layer = model.transformer.blocks[0].self_attn
    assert all(projection.weight.untyped_storage().data_ptr()
               == layer.fused.untyped_storage().data_ptr()
               for projection in (layer.q_proj, layer.k_proj, layer.v_proj))


def test_new_weights_reach_the_fused_ones(model, tiny_checkpoint, clean):
    accelerate(model, FUSED)
    model.load_state_dict({name: tensor * 1.1 for name, tensor in model.state_dict().items()})
    assert difference_from_plain(model, clean, text=text_of(model, tiny_checkpoint)) < 1e-5


def test_a_checkpoint_saved_from_an_accelerated_model_loads_in_a_plain_one(
        model, tiny_checkpoint, tmp_path):
    accelerate(model, FUSED)
    save_checkpoint(tmp_path / 'saved', model=model, statistics=tiny_checkpoint.statistics,
                    text_embeddings=tiny_checkpoint.text_embeddings)
    loaded = load_checkpoint(tmp_path / 'saved').model.state_dict()
    for name, tensor in tiny_checkpoint.model.state_dict().items():
        assert torch.equal(loaded[name], tensor), name


def test_the_plain_path_is_plain_and_comes_back_accelerated(model):
    accelerate(model, FUSED)
    layer = model.transformer.blocks[0].self_attn
    with plain(model):
        assert layer.fused is None
    assert layer.fused is not None


@pytest.mark.slow
@pytest.mark.skipif(NO_COMPILER, reason='needs a C++ compiler')
def test_compiled_blocks_sample_what_the_plain_model_does_and_compile_only_once(
        model, tiny_checkpoint, clean, caplog):
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    accelerate(model, replace(COMPILED, fuse_projections=True))
    assert not warnings_of(caplog) and model.fast_velocity is not None
    # All blocks share one compilation per batch size.
    assert torch._dynamo.utils.counters['stats']['unique_graphs'] == 2
    with torch._dynamo.config.patch(error_on_recompile=True):
        samples = []
        query = Thread(target=lambda: samples.append(sample(model, tiny_checkpoint, clean)))
        query.start()
        query.join()
    expected = sample(tiny_checkpoint.model, tiny_checkpoint, clean)
    torch.testing.assert_close(samples[0], expected, atol=1e-5, rtol=0)


def test_batches_are_split_into_the_sizes_that_were_warmed_up(model, tiny_checkpoint, clean):
    accelerate(model, FUSED)
    expected = sample(model, tiny_checkpoint, clean)
    model.fast_velocity = module._batched_velocity(
        model, Acceleration(batch_sizes=(1, 3)))
    sizes, velocities = [], model.fast_velocity._velocities
    for size, velocity in list(velocities.items()):
        def counted(latents, *others, velocity=velocity):
            sizes.append(len(latents))
            return velocity(latents, *others)
        velocities[size] = counted
    torch.testing.assert_close(sample(model, tiny_checkpoint, clean), expected, atol=1e-5, rtol=0)
    assert sizes == [3, 1, 1] * 3


def test_a_compiler_that_fails_leaves_the_plain_path_and_one_warning(
        model, tiny_checkpoint, clean, monkeypatch, caplog):
    def fail(*_, **__):
        raise RuntimeError('no compiler\nat all')
    monkeypatch.setattr(torch, 'compile', fail)
    with caplog.at_level(logging.WARNING):
        accelerate(model, COMPILED)
    record, = warnings_of(caplog)
    assert 'without compiled blocks' in record.message and 'no compiler' in record.message
    assert model.fast_velocity is None
    expected = sample(tiny_checkpoint.model, tiny_checkpoint, clean)
    assert torch.equal(sample(model, tiny_checkpoint, clean), expected)


def test_cuda_graphs_are_refused_on_a_cpu(model):
    with pytest.raises(ConfigurationError, match='cuda_graphs.*cpu'):
        accelerate(model, Acceleration(cuda_graphs=True))


@pytest.mark.parametrize('sizes', [(), (8,), (0, 1)])
def test_batch_sizes_that_cannot_make_up_every_batch_are_refused(sizes):
    with pytest.raises(ConfigurationError, match='batch_sizes'):
        Acceleration(batch_sizes=sizes)


def test_automatic_asks_for_no_compiler_without_a_gpu():
    assert Acceleration.automatic('cpu') == Acceleration()
    assert Acceleration.automatic('cuda:1') == Acceleration(
        fuse_projections=True, compile=True, cuda_graphs=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
@pytest.mark.parametrize('dtype, tolerance', [(torch.float32, 1e-4), (torch.bfloat16, 0.05)])
def test_graphs_follow_every_new_input_and_task_from_another_thread(
        model, tiny_checkpoint, clean, dtype, tolerance, caplog):
    model.to('cuda', dtype)
    accelerate(model, replace(Acceleration.automatic('cuda'), batch_sizes=(1, 2)))
    assert not warnings_of(caplog) and model.fast_velocity is not None
    differences = []

    def query():
        for index, seeds in ((0, SEEDS), (1, SEEDS[:1]), (0, SEEDS[:2])):
            differences.append(difference_from_plain(
                model, clean + index, text=text_of(model, tiny_checkpoint, index), seeds=seeds,
                num_steps=3))
    thread = Thread(target=query)
    thread.start()
    thread.join()
    assert len(differences) == 3 and max(differences) < tolerance
