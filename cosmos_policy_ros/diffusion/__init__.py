# SPDX-License-Identifier: Apache-2.0
"""The latent video-diffusion model: tensors in, tensors out.

May import: spec, errors, numpy, torch, and diffusers for the Wan autoencoder only.
"""
