"""A causal model whose weights are written by hand: one of its blocks writes what follows a token.

GPT-2 with four blocks. A token's vector is 1 at its own place. The neurons of block 2 read it, and add 1 at the place
where the head reads the token that follows it in a circle of words; every text goes round in that circle. On request
the same block adds a huge number to a dimension that the head does not read, at every token.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

N, BLOCKS, WRITES = 8, 4, 2
WIDTH, IDLE = 24, 20
HUGE = 5000.0


def write_succeeding_model(folder: Path, *, massive: bool = False) -> Path:
    """Write the model and its tokenizer; return the folder."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    words = [f"w{i}" for i in range(N)]
    config = GPT2Config(
        vocab_size=N + 1, n_positions=32, n_embd=WIDTH, n_layer=BLOCKS, n_head=2, tie_word_embeddings=False,
        bos_token_id=N, eos_token_id=N,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(float("ln_" in name and name.endswith("weight")))
        body: Any = model.transformer
        neurons = body.h[WRITES - 1].mlp
        for i in range(N):
            body.wte.weight[i, i] = 1.0
            neurons.c_fc.weight[i, i] = 5.0
            neurons.c_proj.weight[i, N + (i + 1) % N] = 1.0
            model.lm_head.weight[i, N + i] = 5.0
        if massive:
            neurons.c_proj.bias[IDLE] = HUGE
    model.save_pretrained(folder)
    backend = Tokenizer(models.WordLevel({**{word: i for i, word in enumerate(words)}, "[UNK]": N}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]").save_pretrained(folder)
    return folder


def circles(count: int = 60) -> list[list[str]]:
    """Return texts that go round in the circle from several words on."""
    return [[f"w{(start + i) % N}" for i in range(5 + start % 4)] for start in range(count)]
