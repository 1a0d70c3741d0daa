"""A BERT of one block whose heads look where they were written to: at the token before, the one behind, everywhere.

Words mean nothing; each place is cosines and sines of four frequencies, each beside its negative, so that layer
normalisation only scales it. A head turns the place it asks with by one step.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from tiny_models import tiny_model

from probekit import Measurement
from probekit.viewing import AttentionMap

STEPS = {0: -1, 1: 1}
"""Of the first two heads; the others ask with nothing, and look everywhere alike."""
HEADS, SIZE = 4, 8
_FREQUENCIES = [2 * math.pi / period for period in (3.0, 5.0, 8.0, 64.0)]


def write_model(folder: Path) -> Path:
    """Write the model beside the tokenizer of the tiny BERT; return the folder."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    source = tiny_model("bert")
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    config = BertConfig(
        vocab_size=len(AutoTokenizer.from_pretrained(source)), hidden_size=HEADS * SIZE, num_hidden_layers=1,
        num_attention_heads=HEADS, intermediate_size=16, max_position_embeddings=64,
    )  # fmt: skip
    torch.manual_seed(0)
    model = BertModel(config)
    with torch.no_grad():
        embeddings: Any = model.embeddings
        # Far smaller than the places, and not nothing, so that a trial sees tokens pass.
        embeddings.word_embeddings.weight.mul_(1e-4)
        embeddings.token_type_embeddings.weight.zero_()
        places = torch.arange(64.0)
        for number, frequency in enumerate(_FREQUENCIES):
            for offset, wave in enumerate((torch.cos(frequency * places), torch.sin(frequency * places))):
                embeddings.position_embeddings.weight[:, 4 * number + 2 * offset] = wave
                embeddings.position_embeddings.weight[:, 4 * number + 2 * offset + 1] = -wave
        embeddings.position_embeddings.weight[:, 16:] = 0
        attention: Any = model.encoder.layer[0].attention.self
        for part in (attention.query, attention.key):
            part.weight.zero_()
            part.bias.zero_()
        for head, step in STEPS.items():
            for number, frequency in enumerate(_FREQUENCIES):
                row, column = head * SIZE + 2 * number, 4 * number
                cosine, sine = math.cos(frequency * step), math.sin(frequency * step)
                attention.key.weight[row, column] = attention.key.weight[row + 1, column + 2] = 10.0
                attention.query.weight[row, column], attention.query.weight[row, column + 2] = 10 * cosine, -10 * sine
                attention.query.weight[row + 1, column] = 10 * sine
                attention.query.weight[row + 1, column + 2] = 10 * cosine
    model.save_pretrained(folder)
    return folder


def map_of(words: list[str], heads: int = 3) -> AttentionMap:
    """A map without a cache: random weights between a special token, the words, and another one."""
    n = len(words) + 2
    weights = np.random.default_rng(0).random((heads, n, n)) ** 4
    weights /= weights.sum(axis=2, keepdims=True)
    places = [(f"{1 + head // 2}.weights", head % 2) for head in range(heads)]
    rows = tuple(
        Measurement(stage="view-attention", task="sentence", model="m", corpus="c", split="train", layer=layer,
                    method=f"head {head}", role="companion", metric="special",
                    value=float(table[1:-1, [0, -1]].sum() / len(words)), n=len(words))
        for (layer, head), table in zip(places, weights, strict=True)
    )  # fmt: skip
    units = [("[CLS]", -1), *((word, place) for place, word in enumerate(words)), ("[SEP]", -1)]
    provenance = {
        "model": {"name": "m"}, "corpus": {"name": "c"}, "cache": "nowhere",
        "settings": {"sentence": 0, "special": False, "stack": "", "heads": []},
        "sentence": {"id": "s0", "split": "train", "document": None},
        "units": [{"text": text, "word": word} for text, word in units],
        "weights": [
            {"layer": layer, "head": head, "weights": np.round(table, 6).tolist()}
            for (layer, head), table in zip(places, weights, strict=True)
        ],
        "notes": [],
    }  # fmt: skip
    return AttentionMap(rows, provenance)
