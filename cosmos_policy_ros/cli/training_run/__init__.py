# SPDX-License-Identifier: Apache-2.0
"""The parts of `cosmos-policy train`: reading the data, the run, what is shown of it."""
