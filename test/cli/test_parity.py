# SPDX-License-Identifier: Apache-2.0
"""The parity runner on the golden vectors, and on damaged and foreign ones."""

from collections import Counter
import hashlib
import json
import shutil

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
import torch

from cosmos_policy_ros.cli.parity import parity, run_parity
from cosmos_policy_ros.cli.parity_sections.golden import GoldenError, Tolerance


@pytest.fixture(scope='module')
def report(golden_directory):
    """The outcome on the golden vectors."""
    return run_parity(golden_directory)


@pytest.fixture
def sampler_copy(golden_directory, tmp_path):
    """A folder with the sampler section only, to be changed."""
    return copy_sections(golden_directory, tmp_path, 'sampler')


def copy_sections(source, target, *names):
    """Copy sections of golden vectors into a folder of their own."""
    manifest = json.loads((source / 'manifest.json').read_text())
    files = {name: manifest['files'][name] for name in names}
    (target / 'manifest.json').write_text(json.dumps({**manifest, 'files': files}))
    for name in names:
        shutil.copy(source / files[name]['file'], target)
    return target


def rewrite(directory, section, change, *, update_manifest=True):
    """Change the arrays of a section, and its checksum with them."""
    path = directory / f'{section}.safetensors'
    arrays = load_file(path)
    change(arrays)
    save_file(arrays, path)
    if update_manifest:
        manifest = json.loads((directory / 'manifest.json').read_text())
        manifest['files'][section]['sha256'] = hashlib.sha256(path.read_bytes()).hexdigest()
        (directory / 'manifest.json').write_text(json.dumps(manifest))


def test_every_comparison_with_the_golden_vectors_passes(report):
    assert report.passed, report.failures
    counts = Counter(result.section for result in report.results)
    assert set(counts) == {
        'dit', 'tokenizer', 'sampler', 'latents', 'images', 'training', 'policy'}


def test_every_array_is_compared_used_or_left_out_for_a_reason(report, golden_directory):
    manifest = json.loads((golden_directory / 'manifest.json').read_text())
    for name, counts in report.counts.items():
        total = counts.compared + counts.inputs + sum(counts.untouched.values())
        assert total == len(manifest['files'][name]['arrays'])
    reasons = {reason for counts in report.counts.values() for reason in counts.untouched}
    assert not any('no comparison is known' in reason for reason in reasons)
    for section in ('tokenizer', 'images', 'training', 'policy'):
        assert not report.counts[section].untouched


def test_the_passes_of_the_world_model_and_of_the_value_are_compared(report):
    cases = {result.case for result in report.results if result.section == 'policy'}
    assert {'future.latent', 'future.future_image', 'value.masked0.value', 'value.masked1.value',
            'value.masked1.ensemble5_majority_mean'} <= cases


def test_the_command_prints_every_case_and_returns_0(sampler_copy, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '200')
    assert parity(sampler_copy) == 0
    printed = capsys.readouterr().out
    assert 'aloha_inference.gauss.n5.out' in printed and 'all within tolerance' in printed
    assert 'scaling the noise variance' in printed


def test_a_wrong_number_fails_with_its_size(sampler_copy, capsys):
    name = 'aloha_inference.sig.n10.out'
    rewrite(sampler_copy, 'sampler', lambda arrays: arrays[name][0].add_(0.25))
    failure, = run_parity(sampler_copy).failures
    assert failure.case == name and failure.max_difference == pytest.approx(0.25, rel=1e-3)
    assert parity(sampler_copy) == 1
    assert 'FAIL' in capsys.readouterr().out


def test_a_wrong_epsilon_in_our_code_is_noticed(golden_directory, tmp_path, monkeypatch):
    monkeypatch.setattr('cosmos_policy_ros.diffusion.attention.NORM_EPS', 1e-5)
    failures = run_parity(copy_sections(golden_directory, tmp_path, 'dit')).failures
    assert 'd.out' in {failure.case for failure in failures}


def test_nan_in_a_golden_array_fails(sampler_copy):
    name = 'aloha_inference.sig.n10.out'
    rewrite(sampler_copy, 'sampler', lambda arrays: arrays[name].fill_(float('nan')))
    assert [failure.case for failure in run_parity(sampler_copy).failures] == [name]


def test_cases_are_found_by_their_names_and_not_from_a_list(sampler_copy):
    def rename(arrays):
        for name in [name for name in arrays if name.startswith('init_noise')]:
            del arrays[name]
        noise = np.random.RandomState(77).standard_normal((1, 2, 3))
        arrays['init_noise.seed77'] = torch.from_numpy(noise).float()

    rewrite(sampler_copy, 'sampler', rename)
    results = {result.case: result for result in run_parity(sampler_copy).results}
    assert results['init_noise.seed77'].passed
    assert 'missing' in results['init_noise.seed1'].problem


def test_a_corrupt_file_is_named(sampler_copy):
    rewrite(sampler_copy, 'sampler', lambda arrays: arrays.popitem(), update_manifest=False)
    failure, = run_parity(sampler_copy).failures
    assert 'sampler.safetensors is corrupt' in failure.problem


def test_a_missing_file_is_named_and_the_other_sections_run(golden_directory, tmp_path):
    directory = copy_sections(golden_directory, tmp_path, 'sampler', 'latents')
    (directory / 'latents.safetensors').unlink()
    report = run_parity(directory)
    assert [failure.section for failure in report.failures] == ['latents']
    assert report.counts['sampler'].compared > 50


def test_a_section_whose_weights_are_missing_fails_and_says_so(golden_directory, tmp_path):
    directory = copy_sections(golden_directory, tmp_path, 'policy')
    failure, = run_parity(directory).failures
    assert failure.section == 'policy'
    assert "needs the section 'dit'" in failure.problem


def test_an_input_that_is_missing_fails_its_case(sampler_copy):
    rewrite(sampler_copy, 'sampler', lambda arrays: arrays.pop('bias'))
    problems = {failure.problem for failure in run_parity(sampler_copy).failures}
    assert any("array 'bias' is missing" in problem for problem in problems)


def test_comparing_nothing_is_a_failure(golden_directory, tmp_path, capsys):
    directory = copy_sections(golden_directory, tmp_path, 'training')
    manifest = directory / 'manifest.json'
    manifest.write_text(manifest.read_text().replace('"training": {', '"unknown": {'))
    assert not run_parity(directory).failures
    assert parity(directory) == 1
    assert 'nothing was compared' in capsys.readouterr().out


@pytest.mark.parametrize('content', [None, '', '{}', '{"files": {}}', '[]'])
def test_a_folder_without_a_usable_manifest_is_refused(tmp_path, content, capsys):
    if content is not None:
        (tmp_path / 'manifest.json').write_text(content)
    with pytest.raises(GoldenError, match='manifest.json'):
        run_parity(tmp_path)
    assert parity(tmp_path) == 1
    assert 'manifest.json' in ''.join(capsys.readouterr().out.split())


@pytest.mark.parametrize('tolerance, difference, accepted', [
    (Tolerance(atol=0.1), 0.05, True), (Tolerance(atol=0.1), 0.2, False),
    (Tolerance(rtol=0.1), 0.9, True), (Tolerance(rtol=0.1), 1.1, False),
    (Tolerance(atol=1, max_fraction=0.4), 1.0, False), (Tolerance(), 0.0, True),
    (Tolerance(atol=1), float('nan'), False)])
def test_a_tolerance_accepts_what_it_says(tolerance, difference, accepted):
    golden = np.full(4, 10.0)
    assert tolerance.accepts(np.array([0, 0, difference, difference]), golden) is accepted
