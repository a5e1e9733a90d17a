# SPDX-License-Identifier: Apache-2.0
"""Where the model runs, for callers that do not know torch."""

from __future__ import annotations

import torch

from cosmos_policy_ros.errors import ConfigurationError


def choose_device(name: str) -> torch.device:
    """Return a torch device that exists.

    Args:
        name: `auto` (a GPU where there is one), or a name of torch such as `cpu` or `cuda:1`.

    Raises:
        ConfigurationError: If torch knows no such device or it is not there.
    """
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    # A device that is not there is an AssertionError or a RuntimeError, depending on the build.
    except (RuntimeError, AssertionError) as error:
        raise ConfigurationError(
            f'device {name!r} cannot be used ({str(error).splitlines()[0]}); '
            'allowed is auto, cpu, or cuda where there is a GPU') from error
    return device


def limit_threads(num_threads: int) -> None:
    """Let torch use this many CPU threads: the control loop needs the others."""
    torch.set_num_threads(num_threads)
