"""How much a model reads at once: position tables that keep rows for pads, decoders that read one token more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import HEADS, WIDTH, tiny_model, write_model

from probekit import ActivationCache, extract, probe
from probekit.errors import InputError, UsageError
from probekit.models.sources.load import load
from probekit.models.sources.locate import locate

SIZES: dict[str, Any] = {
    "hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": HEADS, "intermediate_size": 2 * WIDTH,
}  # fmt: skip
TABLES = {
    "luke": {"max_position_embeddings": 66, "pad_token_id": 1, "entity_vocab_size": 5, "entity_emb_size": WIDTH},
    "ibert": {"max_position_embeddings": 66, "pad_token_id": 1},
    "mra": {"max_position_embeddings": 64, "block_per_row": 2},
    "nystromformer": {"max_position_embeddings": 64},
}


@pytest.mark.parametrize("kind", list(TABLES))
def test_rows_that_a_position_table_keeps_for_pads_are_not_counted(kind: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    tokenizer = AutoTokenizer.from_pretrained(tiny_model("roberta"))
    config = CONFIG_MAPPING[kind](**SIZES, **TABLES[kind], vocab_size=len(tokenizer))
    loaded = load(locate(write_model(tmp_path, config, tokenizer)), device="cpu")
    assert loaded.max_length == 64
    assert loaded.position_offset == 2
    with torch.inference_mode():
        assert loaded.model(torch.full((1, 64), 5)).last_hidden_state.isfinite().all()
        with pytest.raises((IndexError, RuntimeError)):
            loaded.model(torch.full((1, 65), 5))


@pytest.fixture(scope="module")
def unclosed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder-decoder with 32 learned positions in each stack, whose tokenizer adds no closing token."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_model("gpt2"))
    config = transformers.BartConfig(
        vocab_size=len(tokenizer), d_model=WIDTH, encoder_layers=2, decoder_layers=2, encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=32,
        decoder_start_token_id=0, pad_token_id=0, bos_token_id=0, eos_token_id=0, forced_eos_token_id=None,
    )  # fmt: skip
    return write_model(tmp_path_factory.mktemp("unclosed"), config, tokenizer)


def test_a_decoder_without_a_closing_token_reads_one_token_less_of_the_text(unclosed: Path, tmp_path: Path) -> None:
    made = extract(unclosed, [["a"] * 31, ["a"]], cache=tmp_path)
    assert (ActivationCache.open(made.cache).index("decoder").example == 0).sum() == 32
    with pytest.raises(InputError, match="has 32 tokens; the model reads at most 31"):
        extract(unclosed, [["a"] * 32], cache=tmp_path)
    with pytest.raises(UsageError, match="at most 31, this model's limit, less one for the start token"):
        extract(unclosed, [["a"]], max_length=32, cache=tmp_path)


def test_probes_of_a_decoder_without_a_closing_token_have_every_word(unclosed: Path, tmp_path: Path) -> None:
    words = ["the", "doctor", "walks", "to", "a", "house"]
    lines, counts = [], {"train": 0, "dev": 0, "test": 0}
    for split, sentences in (("train", 30), ("dev", 12), ("test", 12)):
        for number in range(sentences):
            size = 3 + number % 4
            counts[split] += size
            places = [(at + number) % 6 for at in range(size)]
            rows = [
                f"{at + 1}\t{words[place]}\t_\t{'NOUN' if place % 2 else 'DET'}\t_\t_\t{at}\tdep\t_\t_\n"
                for at, place in enumerate(places)
            ]
            lines.append((split, "".join(rows) + "\n"))
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for split in counts:
        (corpus / f"x-{split}.conllu").write_text("".join(text for part, text in lines if part == split))
    made = extract(unclosed, corpus, cache=tmp_path / "caches")
    for task in ("pos", "arc", "tree-distance"):
        report = probe(task, made.cache, layers="1", fast=True)
        said = report.to_json()
        assert set(report.frame["layer"]) >= {"encoder:1", "decoder:1"}
        assert all(number > 0 for number in said["targets"].values())
        if task == "pos":
            assert said["targets"] == counts
        assert not any("no token covers" in note for note in said["notes"])
