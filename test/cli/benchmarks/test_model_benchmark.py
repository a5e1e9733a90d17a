# SPDX-License-Identifier: Apache-2.0
"""The figures of a whole model, and which aims are beside them."""

from functools import partial
import json

import pytest
import torch

from cosmos_policy_ros.cli.bench import bench
from cosmos_policy_ros.cli.benchmarks import model as module
from cosmos_policy_ros.cli.benchmarks.model import measure_model, PLANS
from cosmos_policy_ros.cli.benchmarks.stopwatch import Stopwatch
from cosmos_policy_ros.diffusion.checkpoint import save_checkpoint
from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy


@pytest.fixture(scope='module')
def tiny_folder(tiny_patch_checkpoint, tmp_path_factory):
    """A checkpoint folder of the tiny model."""
    folder = tmp_path_factory.mktemp('checkpoints') / 'tiny'
    save_checkpoint(folder, model=tiny_patch_checkpoint.model,
                    statistics=tiny_patch_checkpoint.statistics,
                    text_embeddings=tiny_patch_checkpoint.text_embeddings)
    return str(folder)


@pytest.fixture(autouse=True)
def same_threads():
    """Give the tests after these their threads back."""
    count = torch.get_num_threads()
    yield
    torch.set_num_threads(count)


def test_direct_queries_and_all_plans_are_timed(tiny_folder):
    figures = {figure.name: figure for figure in measure_model(
        checkpoint=tiny_folder, repeats=1)}
    for name in ('denoiser call, batch 1', '1 steps', '5 steps', '10 steps',
                 '5 steps and imagined images', *PLANS):
        assert figures[f'{tiny_folder} on cpu, {name}, median'].value > 0, name
    assert figures['resident memory of this process'].value > 0
    assert all(figure.limit is None for figure in figures.values())


def test_plans_that_would_take_too_long_are_named_and_left_out(tiny_folder):
    figures = {figure.name: figure for figure in measure_model(
        checkpoint=tiny_folder, repeats=1, max_plan_s=1e-9)}
    expected_s = [figures[f'{tiny_folder} on cpu, {name}, expected, not measured'].value
                  for name in PLANS]
    assert expected_s[1] / expected_s[0] == pytest.approx(160 / 80)
    assert expected_s[2] / expected_s[0] == pytest.approx(488 / 80)


def test_the_published_plan_evaluates_the_network_488_times():
    assert [module._evaluations(settings) for settings in PLANS.values()] == [80, 160, 488]


@pytest.mark.parametrize('is_2b_on_h200, limit', [(True, 200.0), (False, None)])
def test_the_2b_model_on_its_gpu_has_aims_for_the_median(
        tiny_folder, is_2b_on_h200, limit):
    policy = CosmosPolicy.load(tiny_folder)
    subject = module._Subject(
        policy=policy, observation=module._observation(policy), prefix='tiny', is_default=False,
        is_2b_on_h200=is_2b_on_h200)
    median, p99, _ = module._query(
        subject, Stopwatch(policy.model.device, 1), '10 steps', num_denoising_steps=10)
    assert (median.limit, p99.limit) == (limit, None)


def test_a_random_model_is_measured_and_written_to_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(
        module, 'measure_model', partial(measure_model, repeats=1, max_plan_s=1e-9))
    file = tmp_path / 'figures.json'
    assert bench(('model',), random=True, json_file=file) == 0
    figures = {figure['name']: figure for figure in json.loads(file.read_text())['figures']}
    assert figures['aloha_small on cpu, 5 steps, p99']['limit'] == module.CHUNK_LIMIT_MS
    assert figures['aloha_small on cpu, operations of a forward']['unit'] == 'GFLOP'
