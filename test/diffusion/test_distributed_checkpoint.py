# SPDX-License-Identifier: Apache-2.0
"""Folders of torch.distributed.checkpoint: read in one process, whole or not at all."""

import io
import os
import pickle
import subprocess
import sys

import pytest
import torch
from torch.distributed import checkpoint as distributed

from cosmos_policy_ros.diffusion.distributed_checkpoint import (
    read_distributed_shapes, read_distributed_tensors)
from cosmos_policy_ros.errors import CheckpointError

pytestmark = pytest.mark.filterwarnings('ignore:torch.distributed is disabled')

# Two processes of one machine, each of which holds half of the rows.
SHARDED_SAVE = """
import os
import sys
import torch
from torch import distributed
from torch.distributed import checkpoint
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import distribute_tensor, Shard

rank, folder = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group(
    'gloo', init_method=f'file://{folder}.rendezvous', rank=rank, world_size=2)
weight = torch.arange(30, dtype=torch.float32).view(5, 6).bfloat16()
mesh = init_device_mesh('cpu', (2,))
checkpoint.save({'net.weight': distribute_tensor(weight, mesh, [Shard(0)]),
                 'net.norm': torch.ones(3)}, checkpoint_id=folder)
distributed.barrier()
# Threads of the process group, which this is not about, sometimes abort an ordinary exit.
os._exit(0)
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with two tensors."""
    distributed.save({'net.a': torch.arange(6.0).view(2, 3), 'net.b': torch.ones(4)},
                     checkpoint_id=tmp_path / 'model')
    return tmp_path / 'model'


def test_only_the_wanted_tensors_are_read(folder):
    tensors = read_distributed_tensors(folder, wanted=lambda name: name == 'net.a')
    assert tensors.keys() == {'net.a'}
    assert torch.equal(tensors['net.a'], torch.arange(6.0).view(2, 3))
    assert read_distributed_shapes(folder) == {'net.a': (2, 3), 'net.b': (4,)}


@pytest.mark.slow
def test_what_two_processes_wrote_is_put_together(tmp_path):
    folder = tmp_path / 'model'
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'GLOO_SOCKET_IFNAME': 'lo'}
    ranks = [subprocess.Popen([sys.executable, '-c', SHARDED_SAVE, str(rank), str(folder)],
                              env=environment, stderr=subprocess.PIPE) for rank in range(2)]
    for rank in ranks:
        _, errors = rank.communicate(timeout=60)
        assert rank.returncode == 0, errors.decode()
    assert len(list(folder.glob('*.distcp'))) == 2
    tensors = read_distributed_tensors(folder)
    assert torch.equal(tensors['net.weight'], torch.arange(30.0).view(5, 6).bfloat16())
    assert torch.equal(tensors['net.norm'], torch.ones(3))


class Bomb:
    """Creates a file where it is unpickled carelessly."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f'touch {self.path}',))


def test_code_in_the_metadata_is_refused_by_name_and_not_run(folder):
    (folder / '.metadata').write_bytes(pickle.dumps(Bomb(folder / 'executed')))
    for read in (read_distributed_tensors, read_distributed_shapes):
        with pytest.raises(CheckpointError, match=r'\.metadata: it asks for \w+\.system'):
            read(folder)
    assert not (folder / 'executed').exists()


def test_objects_that_are_no_tensors_stay_unread(tmp_path):
    bomb = io.BytesIO(pickle.dumps(Bomb(tmp_path / 'executed')))
    distributed.save({'net.a': torch.ones(2), 'net.q_norm._extra_state': bomb},
                     checkpoint_id=tmp_path / 'model')
    assert read_distributed_tensors(tmp_path / 'model').keys() == {'net.a'}
    assert not (tmp_path / 'executed').exists()


@pytest.mark.parametrize('content', [b'', b'no metadata', pickle.dumps({'net.a': 1})])
def test_damaged_metadata_is_refused(folder, content):
    (folder / '.metadata').write_bytes(content)
    with pytest.raises(CheckpointError, match='.metadata'):
        read_distributed_tensors(folder)


@pytest.mark.parametrize('share', [None, 0.0, 0.4, 0.9])
def test_a_missing_or_truncated_data_file_is_refused(folder, share):
    path, = folder.glob('*.distcp')
    content = path.read_bytes()
    path.unlink()
    if share is not None:
        path.write_bytes(content[:int(share * len(content))])
    with pytest.raises(CheckpointError, match='cannot read weights'):
        read_distributed_tensors(folder)
