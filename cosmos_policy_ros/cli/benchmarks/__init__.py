# SPDX-License-Identifier: Apache-2.0
"""What `cosmos-policy bench` measures: one file per benchmark, each returning figures."""
