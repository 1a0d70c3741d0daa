"""Places inside of blocks beside the layers: the cache holds what each sentence gives alone, and refuses by name."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from children import PATIENCE, in_child
from tiny_models import FAMILIES, HEADS, WIDTH, tiny_model, write_model
from typer.testing import CliRunner

import probekit.cache.write.staging
from probekit import ActivationCache, LayerReport, extract, probe
from probekit.cache.attention import AttentionView
from probekit.cache.export import export
from probekit.cache.format.certificate import certificate_line
from probekit.cache.manage.folders import info
from probekit.cache.manage.verify import verify
from probekit.cli.app import app
from probekit.errors import CacheError, NumericError, UsageError
from probekit.extraction.cost import estimate
from probekit.extraction.forward_pass import ModelPass
from probekit.extraction.request import Request
from probekit.extraction.spec import ExtractionSpec
from probekit.models.runtime.attach import attached
from probekit.models.runtime.forward import forward, pad
from probekit.models.sources.load import load
from probekit.models.sources.locate import locate
from probekit.models.tokens.align import Aligner
from probekit.report.render.drawing import LayerAxis

SENTENCES = [
    ["the", "doctor", "walked", "to", "the", "quiet", "house"],
    ["music"],
    ["rivers", "carry", "paper"],
    ["a", "bright", "window", "follows", "the", "teacher", "and", "the", "number"],
] * 3
SITES = ("weights", "heads", "attention", "between", "mlp")


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several shards from a small corpus."""
    monkeypatch.setattr(probekit.cache.write.staging, "SHARD_WORDS", 30)


@pytest.mark.parametrize("family", ["bert", "gpt2", "t5"])
def test_what_is_kept_is_what_stands_there_in_a_sentence_alone(family: str, tmp_path: Path) -> None:
    made = extract(tiny_model(family), SENTENCES, layers=[1, 2], sites=SITES, batch_tokens=64, cache=tmp_path)
    cache = ActivationCache.open(made.cache)
    loaded = load(locate(tiny_model(family)), device="cpu", attention="eager")
    encoded = Aligner(loaded.tokenizer, vocabulary=loaded.vocabulary).encode_words(SENTENCES)
    assert cache.layers(cache.stacks[0]) == [1, 2]
    assert made.shards > 1
    found: dict[str, torch.Tensor] = {}
    for stack in cache.stacks:
        before = f"{stack}:" if stack else ""
        assert cache.sites(stack) == [f"{number}.{kind}" for number in (1, 2) for kind in SITES]
        for ordinal in (0, 1, 7):
            places = [f"{before}{place}" for place in cache.sites(stack)]
            keep = {place: lambda states, rows, at=place: found.__setitem__(at, states.clone()) for place in places}
            with attached(loaded, keep):
                forward(loaded, pad([encoded[ordinal]], loaded.pad_id))
            rows = np.flatnonzero(cache.index(stack).example == ordinal)
            for place in places:
                expected = found[place][0].numpy()
                if place.endswith("weights"):
                    view = cache.attention(place)
                    assert view.rows(ordinal).tolist() == rows.tolist()
                    assert expected.shape == (HEADS, len(rows), len(rows))
                    kept = view[ordinal]
                    np.testing.assert_allclose(kept.sum(-1), 1, atol=1e-5)
                else:
                    kept = cache.layer(place)[rows]
                np.testing.assert_allclose(kept, expected, atol=2e-5 * np.abs(expected).max())
    assert len(cache.attention(2, cache.stacks[0])) == len(list(cache.attention(2, cache.stacks[0]))) == len(SENTENCES)
    assert verify(made.cache).ok


def test_layers_are_those_of_an_extraction_without_sites(tmp_path: Path) -> None:
    plain = extract(tiny_model("bert"), SENTENCES, layers=[2], cache=tmp_path)
    more = extract(tiny_model("bert"), SENTENCES, layers="2", sites="mlp, heads,mlp", cache=tmp_path)
    one, other = ActivationCache.open(plain.cache), ActivationCache.open(more.cache)
    np.testing.assert_array_equal(one.layer(2).array(), other.layer(2).array())
    assert "sites" not in one.identity  # so that what was extracted before keeps its key
    assert other.identity["sites"] == ["heads", "mlp"]
    assert one.identity == {name: value for name, value in other.identity.items() if name != "sites"}
    assert any("sites differs: old (not set), new ['heads', 'mlp']" in note for note in more.notes)
    assert plain.sites == {}
    assert more.sites == {"2.heads": WIDTH, "2.mlp": 2 * WIDTH}
    assert (more.layers, more.width, more.rows) == ([2], WIDTH, plain.rows)
    assert extract(tiny_model("bert"), SENTENCES, layers=[2], sites=["heads", "mlp"], cache=tmp_path).reused


def test_each_place_is_certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = extract(tiny_model("gpt2"), SENTENCES, layers=[1], sites="weights,between", cache=tmp_path)
    proved = info(made.cache)["certificate"]
    assert set(proved["layers"]) == {"layer.01", "weights.01", "between.01"}
    assert "1 layers and 2 places inside of blocks" in certificate_line(proved)
    run = ModelPass.run

    def noisy(self: ModelPass, pieces: Any) -> Any:
        found = run(self, pieces)
        self.capture.states["weights.01"] = self.capture.states["weights.01"] + 0.01
        return found

    monkeypatch.setattr(ModelPass, "run", noisy)
    with pytest.raises(NumericError, match=r"weights\.01 differs by .* in example"):
        extract(tiny_model("gpt2"), SENTENCES, layers=[1], sites="weights", cache=tmp_path)


def test_killed_at_a_batch_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    model, run, begun = tiny_model("t5"), ModelPass.run, iter(range(100))
    options: dict[str, Any] = {"layers": [1], "sites": "heads,weights", "batch_tokens": 32}

    def dying(self: ModelPass, pieces: Any) -> Any:
        if next(begun) == 4:
            # The first shard is published behind the model, by a thread that may have had no turn yet.
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until and not list((tmp_path / "a").glob("*--*/receipts/*.json")):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        return run(self, pieces)

    with mock.patch.object(ModelPass, "run", dying):
        assert in_child(lambda: extract(model, SENTENCES, cache=tmp_path / "a", **options)) == -signal.SIGKILL
    (left,) = (tmp_path / "a").glob("*--*")
    with pytest.raises(CacheError, match=r"incomplete: [1-9]"):
        ActivationCache.open(left)
    assert extract(model, SENTENCES, cache=tmp_path / "a", **options).cache == left
    whole = extract(model, SENTENCES, cache=tmp_path / "b", **options).cache
    one, other = (
        {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("shards/*")}
        for folder in (left, whole)
    )
    assert one == other
    assert (left / "manifest.json").read_bytes() == (whole / "manifest.json").read_bytes()


def test_the_estimate_counts_every_place(tmp_path: Path) -> None:
    options: dict[str, Any] = {"layers": [1, 2], "sites": "weights,mlp", "store": "float16"}
    cost = estimate(Request.build(tiny_model("bert"), SENTENCES, cache=tmp_path, **options))
    made = extract(tiny_model("bert"), SENTENCES, cache=tmp_path, **options)
    headers = sum(
        8 + int.from_bytes(path.read_bytes()[:8], "little") for path in (made.cache / "shards").glob("*.safetensors")
    )
    assert cost.sites == made.sites == {f"{n}.{k}": w for n in (1, 2) for k, w in (("weights", HEADS), ("mlp", 64))}
    assert (cost.layers, cost.width) == (2, WIDTH)
    assert cost.bytes == made.bytes - headers


def test_what_cannot_be_kept_is_refused_by_name(tmp_path: Path) -> None:
    model = tiny_model("deberta-v2")
    for options, says in (
        (
            {"sites": "weights"},
            r"no place '1\.weights' in the model .* \(type 'deberta-v2'\): no module of",
        ),
        ({"sites": "router", "layers": [2]}, r"no place '2\.router' in .*: in block 2 no experts are chosen"),
        ({"sites": "heads", "layers": [0]}, "none of the layers kept .layer.00. is the output of a block"),
        ({"sites": "head"}, "Got 'head'. Did you mean 'heads'"),
        ({"sites": []}, "Got none"),
        ({"sites": [3]}, "Got 3"),
        ({"sites": "weights", "overflow": "window"}, "read in several parts"),
    ):
        with pytest.raises(UsageError, match=says):
            extract(model, SENTENCES, cache=tmp_path, **options)
    assert not list(tmp_path.glob("*--*"))


def test_a_recurrent_model_has_its_layers_and_is_refused_the_rest_by_name(tmp_path: Path) -> None:
    import transformers

    config = transformers.MambaConfig(vocab_size=400, hidden_size=WIDTH, num_hidden_layers=2)
    model = write_model(tmp_path / "model", config, FAMILIES["bert"].tokenizer())
    for kind, reason in (("heads", "no softmax attention"), ("mlp", "no linear module")):
        with pytest.raises(UsageError, match=rf"no place '1\.{kind}' in .* \(type 'mamba'\): .*{reason}"):
            extract(model, SENTENCES, sites=kind, cache=tmp_path)


def test_attention_weights_are_no_layer_and_heads_no_attention(tmp_path: Path) -> None:
    cache = ActivationCache.open(
        extract(tiny_model("bert"), SENTENCES, layers=[1], sites="weights,heads", cache=tmp_path).cache
    )
    with pytest.raises(UsageError, match=r"one of 1\.heads, 1 .*Attention weights: cache\.attention\(1\)"):
        cache.layer("1.weights")
    with pytest.raises(UsageError, match=r"holds the blocks 1\. Got 2"):
        cache.attention(2)
    with pytest.raises(UsageError, match=r"Got '1\.heads'"):
        cache.attention("1.heads")
    with pytest.raises(IndexError, match="from 0 to 11"):
        cache.attention(1)[12]
    view = cache.attention(1)
    np.testing.assert_array_equal(view[-1], view[11])
    shuffled = AttentionView(
        cache._headers[0].tensors["weights.01"].spec,
        cache.shards,
        index=lambda number: cache.index_block("index.example", number)[:-1],
        block=cache.block,
        where="it",
    )
    with pytest.raises(CacheError, match=r"Shard 0 of it is damaged: weights\.01"):
        shuffled[0]


def test_the_command_says_which_places_are_kept(tmp_path: Path) -> None:
    model = str(tiny_model("bert"))
    (tmp_path / "some.txt").write_text("".join(" ".join(words) + "\n" for words in SENTENCES))
    asked = ["extract", model, str(tmp_path / "some.txt"), "--layers", "1,2", "--sites", "mlp,heads"]
    run = CliRunner().invoke(app, [*asked, "--cache", str(tmp_path)])
    assert "sites      heads x 32 in 1, 2; mlp x 64 in 1, 2" in run.stdout
    assert "sites      heads x 32" in CliRunner().invoke(app, ["cache", "info", "--cache", str(tmp_path)]).stdout
    again = CliRunner().invoke(app, [*asked, "--json", "--cache", str(tmp_path)])
    assert json.loads(again.stdout)["sites"] == {"1.heads": 32, "1.mlp": 64, "2.heads": 32, "2.mlp": 64}
    assert ExtractionSpec(sites=("mlp",)).identity()["sites"] == ["mlp"]


def test_a_place_is_probed_exported_and_drawn_as_a_layer_is(tmp_path: Path) -> None:
    made = extract(
        tiny_model("bert"), "grammar:n=30", layers=[1, 2], sites="heads,weights", overflow="truncate", cache=tmp_path
    )
    report = probe("word-length", on=made.cache, layers="2.heads,2", fast=True)
    assert report.layers == ("2.heads", 2)
    assert {row.layer for row in report.rows} <= {None, 2, "2.heads"}
    assert LayerReport.read(report.write(tmp_path / "r.jsonl")).layers == ("2.heads", 2)
    assert LayerAxis(report.layers).ticks() == ([1 + 2 / 7, 2.0], ["2.heads", "2"])
    assert probe("word-length", on=made.cache, fast=True).layers == (1, 2)
    with pytest.raises(UsageError, match=r"layers of the cache .1, 2, 1\.heads, 2\.heads.\. Got '2\.weights'"):
        probe("word-length", on=made.cache, layers=["2.weights"])
    cache = ActivationCache.open(made.cache)
    export(cache, tmp_path / "x.npy", layers="2.heads")
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), cache.layer("2.heads").array())
