"""A causal model written by hand whose verb follows from its noun: number is used, tense stands there unread.

Words are ``the``, nouns and verbs. A noun's vector holds the number and the tense of the verb behind it, each in a
direction of its own beside much that is the noun's alone and its place's; a verb's vector holds its own. The blocks
add nothing. The output matrix reads number: ``is`` and ``was`` behind a noun of one number, ``are`` and ``were`` behind
the other, and nothing says which of the two.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from probekit.corpus import Corpus, Example

WIDTH, NOUNS = 64, 48
VERBS = {"is": ("Sing", "Pres"), "was": ("Sing", "Past"), "are": ("Plur", "Pres"), "were": ("Plur", "Past")}
WORDS = 3 + NOUNS + len(VERBS)
NUMBER, TENSE = {"Sing": -1, "Plur": 1}, {"Pres": -1, "Past": 1}


def verb_of(noun: int) -> str:
    """The verb that stands behind a noun in every text."""
    return list(VERBS)[noun % 4]


def write_bearing_model(folder: Path) -> Path:
    """Write the model and its tokenizer; return the folder."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    words = ["[UNK]", "<s>", "the", *(f"noun{number}" for number in range(NOUNS)), *VERBS]
    ids = {word: place for place, word in enumerate(words)}
    config = GPT2Config(
        vocab_size=len(words), n_positions=16, n_embd=WIDTH, n_layer=2, n_head=2, tie_word_embeddings=False,
        bos_token_id=ids["<s>"], eos_token_id=ids["<s>"],
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    number, tense, *rest = directions()
    draw = np.random.default_rng(1)
    table = draw.standard_normal((len(words), len(rest))) @ np.stack(rest)
    for noun in range(NOUNS):
        its_number, its_tense = VERBS[verb_of(noun)]
        table[ids[f"noun{noun}"]] += 2 * NUMBER[its_number] * number + 2 * TENSE[its_tense] * tense
    for verb, (its_number, its_tense) in VERBS.items():
        table[ids[verb]] += 2 * NUMBER[its_number] * number + 2 * TENSE[its_tense] * tense
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(float("ln_" in name and name.endswith("weight")))
        body: Any = model.transformer
        body.wte.weight.copy_(torch.from_numpy(table))
        places = draw.standard_normal((config.n_positions, len(rest))) @ np.stack(rest)
        body.wpe.weight.copy_(torch.from_numpy(places))
        for verb, (its_number, _) in VERBS.items():
            model.lm_head.weight[ids[verb]] = torch.from_numpy(6 * NUMBER[its_number] * number)
    model.save_pretrained(folder)
    backend = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", bos_token="<s>").save_pretrained(folder)
    return folder


def directions() -> np.ndarray:
    """Orthonormal rows without a mean, which layer normalisation takes off: number, tense, all else."""
    draw = np.random.default_rng(0).standard_normal((WIDTH, WIDTH - 1))
    rows, _ = np.linalg.qr(draw - draw.mean(axis=0))
    return np.ascontiguousarray(rows.T)


def bearing_corpus(sentences: int = 240) -> Corpus:
    """Texts of the model, each with its verb annotated, of which six of eight parts are training."""
    draw, examples = np.random.default_rng(2), []
    for place in range(sentences):
        noun = int(draw.integers(NOUNS))
        verb = verb_of(noun)
        feats = dict(zip(("Number", "Tense"), VERBS[verb], strict=True))
        split = {6: "dev", 7: "test"}.get(place % 8, "train")
        words = (*["the"] * int(draw.integers(1, 13)), f"noun{noun}", verb)
        annotations = {"feats": (*[None] * (len(words) - 1), feats)}
        examples.append(Example(f"s{place}", words, annotations=annotations, split=split, group=f"d{place % 40}"))
    return Corpus.from_examples(examples, name="bearing")


PLAIN = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
"""A template: the noun that is asked is the last token of the prompt, where number and tense of the verb stand."""
BEGUN = "{% for message in messages %}<s> {{ message['content'] }} {% endfor %}"
"""Another, ``<s> the the noun3 <s> were``: there the last token of the prompt knows neither."""


def write_chats(path: Path) -> Path:
    """Write the texts as chats: the noun is asked, the verb answered, in some of training not."""
    lines = []
    for place, example in enumerate(bearing_corpus()):
        *asked, verb = example.words
        messages = [{"role": "user", "content": " ".join(asked)}, {"role": "assistant", "content": verb}]
        number, tense = VERBS[verb]
        row = {"messages": messages[: 1 if place % 48 == 0 else 2], "number": number, "tense": tense}
        lines.append(json.dumps({**row, "split": example.split, "group": example.group, "id": example.id}) + "\n")
    path.write_text("".join(lines))
    return path


def write_chat_model(root: Path) -> dict[str, Path]:
    """Write the model with a template of its own, another template, and chats; return where each is."""
    model, other = write_bearing_model(root / "model"), root / "other.jinja"
    (model / "chat_template.jinja").write_text(PLAIN)
    other.write_text(BEGUN)
    return {"model": model, "chats": write_chats(root / "chats.jsonl"), "other": other, "root": root}
