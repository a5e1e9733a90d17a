# SPDX-License-Identifier: Apache-2.0
"""Files in exactly the layout of the released policies, with a small model's weights."""

import io
import json
import pickle

import torch

from cosmos_policy_ros.diffusion.checkpoint import save_checkpoint
from cosmos_policy_ros.diffusion.weight_files import read_tensors

POLICY = 'Cosmos-Policy-ALOHA-Predict2-2B'
PLANNING = 'Cosmos-Policy-ALOHA-Planning-Model-Predict2-2B'
BASE = 'Cosmos-Predict2-2B-Video2World'
STATISTICS_PARTS = ('min', 'max', 'mean', 'std', 'median')


def released_tensors(model):
    """Weights of the transformer under the released names, in bfloat16, bookkeeping and all."""
    tensors = {f'net.{name}': tensor.to(torch.bfloat16)
               for name, tensor in model.transformer.state_dict().items()}
    counters = ('accum_video_sample_counter', 'accum_image_sample_counter', 'accum_iteration',
                'accum_train_in_hours')
    return {
        **tensors, **{f'net.{name}': torch.tensor(7.0) for name in counters},
        'net.pos_embedder.seq': torch.arange(128.0),
        'net.pos_embedder.dim_spatial_range': torch.arange(21.0),
        'net.pos_embedder.dim_temporal_range': torch.arange(22.0),
        'net.t_embedding_norm._extra_state': None,
        'net.blocks.0.self_attn.q_norm._extra_state': io.BytesIO(b'state of a norm'),
        'net.blocks.0.self_attn.k_norm._extra_state': b'',
        'net.blocks.1.self_attn.q_norm._extra_state': torch.zeros(0, dtype=torch.uint8)}


def write_policy(folder, checkpoint, *, name=POLICY, robot='aloha'):
    """Write a policy folder, all but the autoencoder; return the folder."""
    folder.mkdir(parents=True)
    torch.save(released_tensors(checkpoint.model), folder / f'{name}.pt')
    write_statistics(folder / f'{robot}_dataset_statistics.json', checkpoint.statistics)
    write_embeddings(folder / f'{robot}_t5_embeddings.pkl', checkpoint.text_embeddings.by_task)
    (folder / 'config.json').write_text(json.dumps({'model_type': 'cosmos-policy'}))
    (folder / 'README.md').write_text('# a model card')
    return folder


def write_statistics(path, statistics):
    """Write the ten lists of a statistics file; only the extrema matter."""
    content = {f'{bounds.name}_{part}': bounds.upper.tolist()
               for bounds in (statistics.actions, statistics.proprio)
               for part in STATISTICS_PARTS}
    content |= {'actions_min': statistics.actions.lower.tolist(),
                'proprio_min': statistics.proprio.lower.tolist()}
    path.write_text(json.dumps(content))


def write_embeddings(path, by_task):
    """Write the pickle of embeddings of shape (1, M, D) in bfloat16."""
    path.write_bytes(pickle.dumps(
        {task: tensor[None].to(torch.bfloat16) for task, tensor in by_task.items()}))


def write_autoencoder(folder, checkpoint):
    """Write the image tokenizer where the base model has it; return its path."""
    scratch = folder / 'scratch'
    save_checkpoint(scratch, model=checkpoint.model, statistics=checkpoint.statistics,
                    text_embeddings=checkpoint.text_embeddings)
    path = folder / 'tokenizer' / 'tokenizer.pth'
    path.parent.mkdir(parents=True)
    torch.save(read_tensors(scratch / 'vae.safetensors'), path)
    for file in scratch.iterdir():
        file.unlink()
    scratch.rmdir()
    return path


def move_to_cache(folder, cache, repository, *, revision='0123abcd'):
    """Move a folder to where the Hugging Face cache has it; return the new place."""
    root = cache / f'models--{repository.replace("/", "--")}'
    snapshot = root / 'snapshots' / revision
    snapshot.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(snapshot)
    (root / 'refs').mkdir(exist_ok=True)
    (root / 'refs' / 'main').write_text(revision)
    return snapshot
