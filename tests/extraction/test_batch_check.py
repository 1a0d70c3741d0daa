"""What a row holds depends on its example alone: models that change with what they read, and the certificate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import HEADS, LAYERS, WIDTH, tiny_model, write_model

import probekit.cache.write.staging
from probekit import ActivationCache, extract, probe
from probekit.cache.manage.folders import info
from probekit.errors import NumericError
from probekit.extraction.forward_pass import ModelPass
from probekit.models.architecture.restoring import restored
from probekit.models.runtime import check
from probekit.models.sources.load import load
from probekit.models.sources.locate import locate

WORDS = ["the", "doctor", "walked", "to", "a", "quiet", "house", "and", "carry", "paper", "in"]
LENGTHS = [3, 70, 9, 30, 51, 9, 70, 3, 33, 64]
SENTENCES = [[WORDS[(at * 7 + place) % len(WORDS)] for place in range(size)] for at, size in enumerate(LENGTHS)]
ROTARY = {"longrope": {"long_factor": [9.0] * 4, "short_factor": [1.0] * 4, "factor": 8.0}, "dynamic": {"factor": 4.0}}


def changing(kind: str, folder: Path) -> Path:
    """A tiny model whose attention or positions change with the length of what it reads, at about 28 tokens."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_model("bert"))
    sizes = {
        "vocab_size": len(tokenizer), "hidden_size": WIDTH, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "intermediate_size": 2 * WIDTH, "pad_token_id": 0,
    }  # fmt: skip
    config: Any
    if kind == "big_bird":
        config = transformers.BigBirdConfig(**sizes, block_size=4, num_random_blocks=1, max_position_embeddings=128)
    elif kind == "longrope":
        rotary = {"rope_type": kind, "rope_theta": 10000.0, "original_max_position_embeddings": 28, **ROTARY[kind]}
        config = transformers.Phi3Config(
            **sizes, max_position_embeddings=128, original_max_position_embeddings=28, rope_parameters=rotary
        )
    else:
        rotary = {"rope_type": kind, "rope_theta": 10000.0, **ROTARY[kind]}
        config = transformers.LlamaConfig(**sizes, max_position_embeddings=28, rope_parameters=rotary)
    return write_model(folder, config, tokenizer)


@pytest.mark.parametrize("kind", ["big_bird", "longrope", "dynamic"])
def test_rows_of_a_model_that_changes_with_length_are_those_of_single_sentences(kind: str, tmp_path: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    folder = changing(kind, tmp_path / "model")
    limits = {} if kind != "dynamic" else {"max_length": 28, "overflow": "truncate"}
    lone = extract(folder, SENTENCES, batch_tokens=4, cache=tmp_path / "a", **limits)
    wide = extract(folder, SENTENCES, batch_tokens=4096, cache=tmp_path / "b", **limits)
    one, many = ActivationCache.open(lone.cache), ActivationCache.open(wide.cache)
    tokenizer, index = AutoTokenizer.from_pretrained(folder), many.index()
    for ordinal in (0, 1, 3, 9):
        fresh = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        rows = np.flatnonzero(index.example == ordinal)
        ids = torch.tensor(index.token[rows][None].astype(np.int64))
        if not limits:
            assert ids[0].tolist() == tokenizer(" ".join(SENTENCES[ordinal])).input_ids
        with torch.inference_mode():
            expected = fresh(input_ids=ids, output_hidden_states=True).hidden_states[2][0, : len(rows)].numpy()
        for cache in (one, many):
            np.testing.assert_allclose(cache.layer(2)[rows], expected, atol=1e-5 * np.abs(expected).max())
    assert (wide.certificate or {})["shards_unpadded"] == (0 if limits else 1)
    assert any("equal lengths" in note for note in wide.notes) is (not limits)


def test_what_a_pass_changes_is_put_back_and_what_it_writes_into_is_refused() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)).eval()
    first, table = model[0], model[0].weight
    with restored(model):
        model.kind = "another"
        model[0] = torch.nn.Identity()
        first.register_parameter("weight", torch.nn.Parameter(torch.zeros(2, 2)))
    assert model[0] is first
    assert first.weight is table
    assert not hasattr(model, "kind")
    with restored(model), torch.inference_mode():
        model[1].running_mean += 1
    assert not model[1].running_mean.any()
    with pytest.raises(NumericError, match="writes to its own parameters"), restored(model), torch.no_grad():
        first.weight += 1


def test_the_trial_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    loaded = load(locate(changing("big_bird", tmp_path)), device="cpu")
    assert loaded.model.attention_type == "block_sparse"
    assert loaded.model.encoder.layer[0].attention_type == "block_sparse"


def test_a_row_that_depends_on_chance_is_refused_by_layer_and_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ModelPass.run

    def noisy(self: ModelPass, pieces: Any) -> Any:
        found = run(self, pieces)
        self.capture.states["layer.02"] = self.capture.states["layer.02"] + 0.01
        return found

    monkeypatch.setattr(ModelPass, "run", noisy)
    with pytest.raises(NumericError, match=r"layer\.02 differs by .* in example '.+' \(\d+ tokens"):
        extract(tiny_model("bert"), SENTENCES, overflow="truncate", cache=tmp_path)
    assert not list(tmp_path.glob("*/manifest.json"))


def test_the_longest_the_shortest_and_one_between_are_read_twice() -> None:
    assert check.rows_to_check([3, 9, 1, 9, 4]) == [1, 4, 2]
    assert check.rows_to_check([5, 5]) == [0, 1]
    assert check.rows_to_check([5]) == [0]
    assert check.rows_to_check([]) == []


def test_every_shard_is_checked_and_the_cache_keeps_the_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probekit.cache.write.staging, "SHARD_WORDS", 60)
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("".join(" ".join(words[:50]) + "\n" for words in SENTENCES * 4))
    made = extract(tiny_model("bert"), corpus, layers=[0, 2], cache=tmp_path)
    proved = info(made.cache)["certificate"]
    assert proved == made.certificate
    assert made.shards > 2
    assert proved["rows"] >= 3 * made.shards
    assert proved["longest"] == 52
    assert min(proved["lengths"]) == 5
    assert set(proved["layers"]) == {"layer.00", "layer.02"}
    assert 0 < proved["layers"]["layer.02"] <= proved["largest_difference"] <= proved["allowed"] == 1e-5
    assert set(proved["made_with"]) == {"device", "attention", "torch", "transformers"}
    report = probe("word-length", on=made.cache, fast=True)
    assert report.provenance["certificate"] == json.loads(json.dumps(proved))


def test_a_model_that_ends_in_a_pooled_vector_has_the_layers_of_what_it_pools(tmp_path: Path) -> None:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_model("bert"))
    config = transformers.DPRConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        intermediate_size=2 * WIDTH,
    )  # fmt: skip
    loaded = load(locate(write_model(tmp_path, config, tokenizer)), device="cpu")
    assert loaded.layer_names == ("layer.00", "layer.01", "layer.02", "layer.03")
    assert loaded.stacks[0].module is loaded.model.question_encoder


def test_a_model_that_rescales_itself_once_is_let_settle() -> None:
    model = torch.nn.Linear(2, 2)
    with restored(model, settling=True), torch.no_grad():
        model.weight.fill_(3)
        model.scaled = True
    assert model.scaled
    with restored(model, settling=True):
        model.scaled = False
    assert model.scaled


def test_without_a_closing_token_the_decoder_still_reads_the_last_word(tmp_path: Path) -> None:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_model("gpt2"))
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=WIDTH, d_kv=8, d_ff=64, num_layers=2, num_heads=HEADS,
        decoder_start_token_id=0, pad_token_id=0,
    )  # fmt: skip
    folder = write_model(tmp_path / "model", config, tokenizer)
    cache = ActivationCache.open(extract(folder, SENTENCES, batch_tokens=200, cache=tmp_path / "c").cache)
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    encoder, decoder = cache.index("encoder"), cache.index("decoder")
    for ordinal, words in enumerate(SENTENCES):
        rows, ids = decoder.example == ordinal, encoder.token[encoder.example == ordinal].tolist()
        assert decoder.token[rows].tolist() == [0, *ids]
        assert set(decoder.word[rows].tolist()) == {-1, *range(len(words))}
        with torch.inference_mode():
            found = model(
                input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([[0, *ids]]), output_hidden_states=True
            ).decoder_hidden_states[1][0]
        np.testing.assert_allclose(cache.layer(1, "decoder")[np.flatnonzero(rows)], found.numpy(), atol=2e-5)
