# SPDX-License-Identifier: Apache-2.0
"""Golden vectors, section by section: each module runs our code on the inputs of one file."""
