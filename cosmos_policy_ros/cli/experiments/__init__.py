# SPDX-License-Identifier: Apache-2.0
"""The parts of `cosmos-policy learn` and `ablate`: stages that stay done, and their reports."""
