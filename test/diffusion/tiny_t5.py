# SPDX-License-Identifier: Apache-2.0
"""A T5 text encoder of a few kilobytes, with random weights, in the files of a real one."""

import io

TEXTS = ('fold the shirt', 'put the candy in the bag', 'put the eggplant on the plate',
         'transfer the cube', 'open the ziploc bag and put the candies in the bowl')


def write_tiny_t5(folder, *, width=12, num_layers=2):
    """Write configuration, vocabulary and weights; return the folder."""
    import sentencepiece
    import torch
    from transformers import T5Config, T5ForConditionalGeneration
    folder.mkdir(parents=True)
    vocabulary = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 20), model_writer=vocabulary, vocab_size=30, pad_id=0,
        eos_id=1, unk_id=2, bos_id=-1, minloglevel=2)
    (folder / 'spiece.model').write_bytes(vocabulary.getvalue())
    torch.manual_seed(0)
    T5ForConditionalGeneration(T5Config(
        vocab_size=160, d_model=width, d_kv=6, d_ff=16, num_layers=num_layers, num_heads=2,
        relative_attention_num_buckets=8)).save_pretrained(folder)
    return folder
