# SPDX-License-Identifier: Apache-2.0
"""Names of the Wan autoencoder's parameters in the released files."""

from __future__ import annotations

_TOP = {'quant_conv': 'conv1', 'post_quant_conv': 'conv2'}
_ENDS = {'conv_in': ['conv1'], 'norm_out': ['head', '0'], 'conv_out': ['head', '2']}
_MIDDLE = {('resnets', '0'): '0', ('attentions', '0'): '1', ('resnets', '1'): '2'}
_LAYERS = {'norm1': ['residual', '0'], 'conv1': ['residual', '2'], 'norm2': ['residual', '3'],
           'conv2': ['residual', '6'], 'conv_shortcut': ['shortcut']}


def released_wan_name(name: str, *, num_res_blocks: int) -> str:
    """Return the name that the released files give to a parameter of `AutoencoderKLWan`.

    Args:
        name: Name in `AutoencoderKLWan`.
        num_res_blocks: Residual blocks of each encoder level; a decoder level has one more.
    """
    head, part, *rest = name.split('.')
    if head in _TOP:
        return '.'.join([_TOP[head], part, *rest])
    if part in _ENDS:
        return '.'.join([head, *_ENDS[part], *rest])
    if part == 'mid_block':
        return '.'.join([head, 'middle', _MIDDLE[rest[0], rest[1]], *_layer(rest[2:])])
    if part == 'down_blocks':
        return '.'.join([head, 'downsamples', rest[0], *_layer(rest[1:])])
    level, kind, index = rest[:3]
    within = int(index) if kind == 'resnets' else num_res_blocks + 1
    position = int(level) * (num_res_blocks + 2) + within
    return '.'.join([head, 'upsamples', str(position), *_layer(rest[3:])])


def _layer(parts: list[str]) -> list[str]:
    return [*_LAYERS.get(parts[0], parts[:1]), *parts[1:]]
