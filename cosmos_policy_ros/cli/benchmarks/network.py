# SPDX-License-Identifier: Apache-2.0
"""Time of each network, operations of the transformer, and what the device could do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from cosmos_policy_ros.cli.benchmarks.figures import Figure, spread
from cosmos_policy_ros.cli.benchmarks.stopwatch import Stopwatch
from cosmos_policy_ros.diffusion.acceleration import difference_from_plain
from cosmos_policy_ros.diffusion.config import ModelConfig
from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
from cosmos_policy_ros.diffusion.dit import TextKeysValues
from cosmos_policy_ros.diffusion.latent_layout import NetworkRole

BATCHES = (1, 8)
DIFFERENCE_STEPS = 5
SIGMA = 4.0
_MATRIX_SIZES = {'cuda': 8192, 'cpu': 2048}


def forward_flops(config: ModelConfig) -> int:
    """Count the floating-point operations of one forward for one sample, text excluded.

    A multiplication with its addition counts as two.
    """
    with torch.device('meta'), torch.no_grad():
        model = CosmosModel(config)
        mask = model.clean_mask(NetworkRole.POLICY)
        text = _random_text(model)
        modulation = model.transformer.modulate(mask[:, 0, :, 0, 0])
        with FlopCounterMode(display=False) as counter:
            model.transformer.velocity(
                torch.empty(1, *model.sequence_shape), modulation, text, mask)
    return counter.get_total_flops()


def matmul_ceiling(watch: Stopwatch, dtype: torch.dtype) -> float:
    """Measure how fast the device multiplies large matrices, in [FLOP/s]."""
    size = _MATRIX_SIZES.get(watch.device.type, _MATRIX_SIZES['cpu'])
    a, b = torch.randn(2, size, size, device=watch.device).to(dtype)
    return 2 * size**3 / (float(np.median(watch.samples_ms(lambda: a @ b))) * 1e-3)


@torch.no_grad()
def denoiser_call(model: CosmosModel, batch: int) -> Callable[[], object]:
    """Return one call of the denoiser as sampling makes it."""
    mask = model.clean_mask(NetworkRole.POLICY)
    text = _random_text(model)
    noisy = torch.randn(batch, *model.sequence_shape, device=model.device)
    time = SIGMA / (1 + SIGMA)
    modulation = model.transformer.modulate(((1 - mask) * time)[:, 0, :, 0, 0])
    return torch.no_grad()(lambda: model.denoise(
        noisy, SIGMA, clean=noisy[:1], mask=mask, text=text, modulation=modulation))


def measure_network(
    model: CosmosModel, watch: Stopwatch, prefix: str, forward_ms: float,
) -> list[Figure]:
    """Measure the parts of a query, and the transformer against the device.

    Args:
        model: The model.
        watch: Times calls on its device.
        prefix: Starts the name of each figure.
        forward_ms: Median duration of a denoiser call for one sample.
    """
    batch_ms = watch.samples_ms(denoiser_call(model, BATCHES[-1]))
    medians_ms = (forward_ms, float(np.median(batch_ms)))
    return [
        *spread(f'{prefix}, denoiser call, batch {BATCHES[-1]}', batch_ms, 'ms'),
        *_autoencoder(model, watch, prefix),
        *_shares(model, watch, prefix, medians_ms),
        Figure(name=f'{prefix}, largest difference from the plain model', unit='1',
               value=_difference(model))]


def _random_text(model: CosmosModel) -> TextKeysValues:
    config = model.config
    return model.encode_text(torch.randn(config.text_tokens, config.transformer.text_dim))


def _autoencoder(model: CosmosModel, watch: Stopwatch, prefix: str) -> list[Figure]:
    encoder, size = model.observation_encoder(), model.config.image_size_px
    views = torch.randint(256, (len(model.layout.views), size, size, 3), dtype=torch.uint8)
    encoded = encoder.encode(views)
    latents = torch.randn(1, *model.sequence_shape, device=model.device)
    blank = encoder.encode_preview_frames(encoded)
    calls = {'encode': lambda: encoder.encode(views),
             'decode': lambda: model.decode_future_images(latents, blank)}
    return [figure for name, call in calls.items()
            for figure in spread(f'{prefix}, {name}', watch.samples_ms(call), 'ms')]


def _shares(
    model: CosmosModel, watch: Stopwatch, prefix: str, medians_ms: tuple[float, ...],
) -> list[Figure]:
    flops = forward_flops(model.config)
    ceiling = matmul_ceiling(watch, model.transformer.dtype)
    return [
        Figure(name=f'{prefix}, operations of a forward', value=flops / 1e9, unit='GFLOP'),
        Figure(name=f'matrix product on {watch.device}', value=ceiling / 1e12, unit='TFLOP/s'),
        *(Figure(name=f'{prefix}, share of that in a forward, batch {batch}', unit='%',
                 value=100 * batch * flops / (duration_ms * 1e-3) / ceiling)
          for batch, duration_ms in zip(BATCHES, medians_ms))]


def _difference(model: CosmosModel) -> float:
    clean = torch.randn(1, *model.sequence_shape, device=model.device)
    return difference_from_plain(
        model, clean, text=_random_text(model), num_steps=DIFFERENCE_STEPS)
