# SPDX-License-Identifier: Apache-2.0
"""What `cosmos-policy doctor` looks at: one file per family, each returning check results."""
