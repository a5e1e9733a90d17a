# SPDX-License-Identifier: Apache-2.0
"""Observation in, prediction out.

May import: spec, diffusion, errors, numpy, torch, Pillow; aiohttp and msgpack in remote/, ray
where candidates are shared among workers.
"""
