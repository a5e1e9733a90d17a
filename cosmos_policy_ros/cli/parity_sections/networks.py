# SPDX-License-Identifier: Apache-2.0
"""The networks behind golden vectors: configured by the manifest, filled with its weights."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from cosmos_policy_ros.cli.parity_sections.golden import GoldenSection
from cosmos_policy_ros.diffusion.checkpoint import (
    load_autoencoder_weights, load_transformer_weights)
from cosmos_policy_ros.diffusion.config import TransformerConfig, WanAutoencoderConfig
from cosmos_policy_ros.diffusion.dit import DiffusionTransformer
from cosmos_policy_ros.diffusion.wan_autoencoder import WanAutoencoder


def transformer_config(section: GoldenSection) -> TransformerConfig:
    """Read the sizes of the transformer from the section that holds its weights."""
    given: dict[str, Any] = section.info['hyperparameters']
    return TransformerConfig(
        num_blocks=given['num_blocks'], width=given['model_channels'],
        num_heads=given['num_heads'],
        mlp_ratio=section.info['diffusers_config']['mlp_ratio'],
        adaln_lora_dim=given['adaln_lora_dim'], text_dim=given['crossattn_emb_channels'],
        patch_size=given['patch_spatial'],
        rope_ratios=tuple(given[f'rope_{axis}_extrapolation_ratio'] for axis in 'thw'))


def autoencoder_config(section: GoldenSection) -> WanAutoencoderConfig:
    """Read the sizes of the autoencoder from the section that holds its weights."""
    given: dict[str, Any] = section.info['hyperparameters']
    return WanAutoencoderConfig(
        base_dim=given['dim'], latent_channels=given['z_dim'],
        channel_multipliers=tuple(given['dim_mult']), num_res_blocks=given['num_res_blocks'],
        temporal_downsample=tuple(given['temperal_downsample']))


def golden_transformer(section: GoldenSection) -> DiffusionTransformer:
    """Build the transformer with its golden weights."""
    channels = section.info['hyperparameters']['out_channels']
    transformer = DiffusionTransformer(transformer_config(section), latent_channels=channels)
    # Loading takes the tensors over, and a case may change its network's weights.
    load_transformer_weights(transformer, deepcopy(section.inputs_under('net.')))
    return transformer.eval()


def golden_autoencoder(section: GoldenSection) -> WanAutoencoder:
    """Build the autoencoder with its golden weights."""
    autoencoder = WanAutoencoder(autoencoder_config(section))
    load_autoencoder_weights(autoencoder, section.inputs_under('vae.'))
    return autoencoder.eval()
