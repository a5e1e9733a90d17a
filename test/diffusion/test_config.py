# SPDX-License-Identifier: Apache-2.0
"""Model configurations: round trip, and refusal of everything that cannot be meant."""

from dataclasses import asdict
import json

import pytest

from cosmos_policy_ros.diffusion.config import load_config, save_config
from cosmos_policy_ros.errors import ConfigurationError


def write(path, config, **changes):
    """Write the configuration with some values changed; a dotted key changes a nested one."""
    content = asdict(config)
    for key, value in changes.items():
        *parents, name = key.split('__')
        target = content
        for parent in parents:
            target = target[parent]
        target[name] = value
    path.write_text(json.dumps(content))
    return path


def test_a_saved_configuration_is_read_back_equal(tmp_path, tiny_config, tiny_patch_config):
    for config in (tiny_config, tiny_patch_config):
        save_config(tmp_path / 'config.json', config)
        assert load_config(tmp_path / 'config.json') == config


def test_a_whole_number_serves_where_a_real_one_is_expected(tmp_path, tiny_config):
    config = load_config(write(tmp_path / 'config.json', tiny_config, sigma_max=80))
    assert config == tiny_config and type(config.sigma_max) is float


@pytest.mark.parametrize('changes, text', [
    ({'layout': 'humanoid'}, "unknown latent layout 'humanoid'"),
    ({'chunk_size': 0}, 'chunk_size is 0'),
    ({'chunk_size': 6.5}, 'chunk_size is 6.5; expected int'),
    ({'chunk_size': True}, 'chunk_size is True; expected int'),
    ({'chunk_size': 1000}, 'does not fit into a latent frame of 256'),
    ({'sigma_max': float('nan')}, 'sigma_max is nan'),
    ({'sigma_min': 80.0}, 'sigma_min 80.0 must be below'),
    ({'image_size_px': 40}, 'must be a multiple of 16'),
    ({'random_weights_seed': 'zero'}, 'expected int or NoneType'),
    ({'trained_values': ['v_prev']}, 'trained_values has v_prev; known: v_next'),
    ({'trained_values': ['q']}, 'random_weights_seed 0 says that nothing was trained'),
    ({'chunk_cutoff_hz': 12.5}, 'chunk_cutoff_hz is 12.5; allowed is above 0 and below 12.5'),
    ({'chunk_cutoff_hz': float('nan')}, 'chunk_cutoff_hz is nan'),
    ({'temperature': 1.0}, 'has unknown keys: temperature'),
    ({'transformer': None}, 'transformer is None; expected an object'),
    ({'transformer__num_heads': 5}, 'cannot be split over 5 heads'),
    ({'transformer__rope_ratios': [1.0, 3.0]}, 'three positive numbers'),
    ({'transformer__rope_ratios': 3.0}, 'rope_ratios is 3.0; expected a list'),
    ({'autoencoder__temporal_downsample': [True, True, True]}, 'does not compress'),
    ({'autoencoder__base_dim': -4}, 'base_dim is -4'),
    ({'autoencoder__kind': 'patch'}, 'autoencoder has unknown keys: base_dim, channel_multipl'),
    ({'autoencoder': {'kind': 'wan'}}, 'autoencoder lacks: base_dim'),
    ({'autoencoder': {'kind': 'jpeg'}}, 'expected an object whose kind is wan or patch'),
    ({'autoencoder': {'kind': ['wan']}}, 'expected an object whose kind is wan or patch'),
    ({'autoencoder': {}}, 'expected an object whose kind is wan or patch'),
    ({'autoencoder': 'patch'}, "autoencoder is 'patch'; expected an object"),
])
def test_a_value_that_cannot_be_used_is_refused_by_name(tmp_path, tiny_config, changes, text):
    path = write(tmp_path / 'config.json', tiny_config, **changes)
    with pytest.raises(ConfigurationError) as caught:
        load_config(path)
    assert text in str(caught.value) and str(path) in str(caught.value)


def test_values_are_trained_only_if_the_file_says_so(tmp_path, tiny_config):
    path = write(tmp_path / 'config.json', tiny_config, random_weights_seed=None,
                 trained_values=['v_next', 'q'])
    assert load_config(path).trained_values == ('v_next', 'q')
    content = json.loads(path.read_text())
    del content['trained_values']
    path.write_text(json.dumps(content))
    assert load_config(path).trained_values == ()


def test_a_missing_key_is_refused_by_name(tmp_path, tiny_config):
    path = tmp_path / 'config.json'
    content = asdict(tiny_config)
    del content['chunk_size']
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigurationError, match='lacks: chunk_size'):
        load_config(path)


@pytest.mark.parametrize('text', ['', '[]', '{"layout": ', 'null'])
def test_a_damaged_file_is_refused(tmp_path, text):
    (tmp_path / 'config.json').write_text(text)
    with pytest.raises(ConfigurationError, match='config.json'):
        load_config(tmp_path / 'config.json')
