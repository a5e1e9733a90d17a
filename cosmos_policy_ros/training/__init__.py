# SPDX-License-Identifier: Apache-2.0
"""Training: recorded episodes in, a checkpoint out.

It may import `spec`, `diffusion`, `policy` (for its image preprocessing) and `recording`.
"""
