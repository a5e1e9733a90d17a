# SPDX-License-Identifier: Apache-2.0
"""The small kind of tiny model."""

from pathlib import Path
import sys

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope='session')
def small_config(tiny_patch_config):
    """Patches, learned positions, prediction of the clean sequence."""
    from synthetic_data import small_config
    return small_config(tiny_patch_config)
