"""Causal models whose weights are written by hand: their verb agrees with the first noun, or with the nearest.

One block of GPT-2 with one head. A token's vector holds whether it is a noun and of which number, each beside its
negative so that its mean is zero and layer normalisation only scales it. The head reads from nouns alone, from the last
or the first of them by a term of position, and copies the number to where the output matrix reads it. Where there are
more heads and blocks, the first head of the first block is that head; all others copy whether there are nouns, and a
neuron of each block too, to where nothing is read. The last neuron of each block is heard by nobody.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

NOUNS = {"key": -1, "book": -1, "doctor": -1, "keys": 1, "books": 1, "doctors": 1}
VERBS = {"is": -1, "are": 1}
OTHERS = ("[UNK]", "<s>", "the", "near", "old")
NOUN, NUMBER, PLACE, FOUND, CONSTANT = 0, 2, 4, 6, 8
"""Where a vector holds what; the entry behind each is its negative."""
WIDTH, LENGTH, STEP = 10, 32, 0.003


def write_agreeing_model(folder: Path, *, nearest: bool, heads: int = 1, blocks: int = 1) -> Path:
    """Write the model and its tokenizer; return the folder."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    words = [*OTHERS, *NOUNS, *VERBS]
    ids = {word: place for place, word in enumerate(words)}
    config = GPT2Config(
        vocab_size=len(words), n_positions=LENGTH, n_embd=WIDTH, n_layer=blocks, n_head=heads,
        tie_word_embeddings=False, bos_token_id=ids["<s>"], eos_token_id=ids["<s>"],
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(float("ln_" in name and name.endswith("weight")))
        body: Any = model.transformer
        _both(body.wte.weight, list(range(len(words))), CONSTANT, 1)
        for noun, number in NOUNS.items():
            _both(body.wte.weight, [ids[noun]], NOUN, 1)
            _both(body.wte.weight, [ids[noun]], NUMBER, number)
        for place in range(LENGTH):
            _both(body.wpe.weight, [place], PLACE, STEP * place)
        attention = body.h[0].attn
        # Columns: query, key, value. A query is constant; a key says noun, and then early or late.
        attention.c_attn.weight[CONSTANT, 0] = 100.0
        attention.c_attn.weight[NOUN, WIDTH] = 100.0
        attention.c_attn.weight[PLACE, WIDTH] = 500.0 if nearest else -500.0
        attention.c_attn.weight[NUMBER, 2 * WIDTH] = 1.0
        _both(attention.c_proj.weight, [0], FOUND, 1)
        if heads > 1 or blocks > 1:
            _add_idle(body, heads)
        for verb, number in VERBS.items():
            model.lm_head.weight[ids[verb], FOUND] = 3.0 * number
    model.save_pretrained(folder)
    backend = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", bos_token="<s>").save_pretrained(folder)
    return folder


def _add_idle(body: Any, heads: int) -> None:
    """Let every head but the first, and a neuron of each block, copy where nouns are to where nothing is read."""
    size = WIDTH // heads
    for number, block in enumerate(body.h):
        for column in range(number == 0, WIDTH):  # a head without a value in all of its columns is no head to a trial
            block.attn.c_attn.weight[NOUN, 2 * WIDTH + column] = 1.0
        for head in range(number == 0, heads):
            _both(block.attn.c_proj.weight, [head * size], PLACE, 0.1)
        block.mlp.c_fc.weight[NOUN, 0] = block.mlp.c_fc.weight[NOUN, -1] = 1.0
        _both(block.mlp.c_proj.weight, [0], PLACE, 0.1)


def _both(matrix: Any, rows: list[int], column: int, value: float) -> None:
    matrix[rows, column], matrix[rows, column + 1] = value, -value
