# SPDX-License-Identifier: Apache-2.0
"""One of two processes that train together: folder and rank in, losses out."""

from pathlib import Path
import sys

from test_distributed_training import run_losses
import torch
from torch import distributed

from cosmos_policy_ros.diffusion.config import load_config

if __name__ == '__main__':
    folder, rank = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/rendezvous', rank=rank, world_size=2)
    print(*run_losses(load_config(folder / 'config.json'), rank, 2))
    distributed.destroy_process_group()
