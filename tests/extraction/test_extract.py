"""A whole extraction: the cache holds what a direct forward gives; killed, split, resumed, the bytes are equal."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from children import in_child
from tiny_models import FAMILIES, LAYERS, tiny_model

import probekit.cache.format.names
import probekit.cache.write.staging
from probekit import ActivationCache, extract
from probekit.cache.write.shard import ShardWriter
from probekit.cli.parts import parse_shard
from probekit.errors import CacheError, InputError, NumericError, UsageError
from probekit.extraction.cost import estimate
from probekit.extraction.forward_pass import ModelPass
from probekit.extraction.request import Request
from probekit.extraction.result import Extraction

SENTENCES = [
    ["the", "doctor", "walked", "to", "the", "quiet", "house"],
    ["music"],
    ["rivers", "carry", "paper"],
    ["a", "bright", "window", "follows", "the", "teacher", "and", "the", "number"],
    ["gardens", "run"],
    ["[SEP]", "<s>", "trees"],
] * 6


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several shards from a small corpus."""
    monkeypatch.setattr(probekit.cache.write.staging, "SHARD_WORDS", 40)


def digests(cache: Path) -> dict[str, str]:
    """Every file of a cache but the records of runs."""
    files = sorted(path for path in cache.rglob("*") if path.is_file() and "runs" not in path.parts)
    return {str(path.relative_to(cache)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_rows_equal_a_direct_forward_of_each_sentence(family: str) -> None:
    from transformers import AutoModel, AutoTokenizer

    folder = tiny_model(family)
    made = extract(folder, SENTENCES)
    cache = ActivationCache.open(made.cache)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    stack = "encoder" if "encoder" in cache.stacks else ""
    index = cache.index(stack)
    assert made.complete
    assert made.shards > 1
    for ordinal in (0, 3, 16):
        text = " ".join(SENTENCES[ordinal])
        ids = tokenizer(text, return_tensors="pt").input_ids
        rows = np.flatnonzero(index.example == ordinal)
        assert index.token[rows].tolist() == ids[0].tolist()
        with torch.inference_mode():
            running = model.get_encoder() if stack else model
            states = running(input_ids=ids, output_hidden_states=True).hidden_states
        # The blocks in the middle are raw in every family; the ends differ by family and are tested with the hooks.
        expected = states[1][0].numpy()
        np.testing.assert_allclose(cache.layer(1, stack)[rows], expected, atol=2e-5 * np.abs(expected).max())


def test_the_decoder_reads_the_same_words_behind_its_start_token() -> None:
    cache = ActivationCache.open(extract(tiny_model("t5"), SENTENCES).cache)
    assert cache.stacks == ("encoder", "decoder")
    encoder, decoder = cache.index("encoder"), cache.index("decoder")
    first = np.flatnonzero(np.diff(decoder.example, prepend=-1))
    assert (decoder.word[first] == -1).all()
    inside = np.setdiff1d(np.arange(len(decoder.word)), first)
    assert (decoder.word[inside] == encoder.word[inside - 1]).all()
    assert (decoder.token[inside] == encoder.token[inside - 1]).all()


@pytest.mark.parametrize("family", ["bert", "gpt2", "bart"])
def test_parts_together_equal_one_run(family: str, tmp_path: Path) -> None:
    folder = tiny_model(family)
    whole = extract(folder, SENTENCES, cache=tmp_path / "whole")
    states = [extract(folder, SENTENCES, cache=tmp_path / "parts", shard=(i, 3)).complete for i in (2, 1, 3)]
    assert states == [False, False, True]
    (parts,) = (tmp_path / "parts").glob("*--*")
    assert digests(parts) == digests(whole.cache)


def test_rows_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    folder = tiny_model("roberta")
    one = ActivationCache.open(extract(folder, SENTENCES, batch_tokens=4, cache=tmp_path / "a").cache)
    many = ActivationCache.open(extract(folder, SENTENCES, batch_tokens=4096, cache=tmp_path / "b").cache)
    assert (one.index().token == many.index().token).all()
    for layer in one.layers():
        a, b = one.layer(layer).array(), many.layer(layer).array()
        assert np.abs(a - b).max() <= 1e-5 * np.abs(a).max()


BATCHES = (0, 2, 5)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Roots of extractions that were killed at a batch, named by its number."""
    folder, model, run = tmp_path_factory.mktemp("killed"), tiny_model("bert"), ModelPass.run
    for last in BATCHES:
        begun = iter(range(100))

        def dying(self: ModelPass, pieces: Any, last: int = last, begun: Iterator[int] = begun) -> Any:
            if next(begun) == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return run(self, pieces)

        def work(last: int = last, dying: Any = dying) -> None:
            extract(model, SENTENCES, batch_tokens=64, cache=folder / str(last))

        with (
            mock.patch.object(ModelPass, "run", dying),
            mock.patch.object(probekit.cache.write.staging, "SHARD_WORDS", 40),
        ):
            assert in_child(work) == -signal.SIGKILL
    return folder


@pytest.mark.parametrize("batch", BATCHES)
def test_fault_01_killed_at_a_batch_resumes_to_the_same_bytes(batch: int, killed: Path, tmp_path: Path) -> None:
    (left,) = (killed / str(batch)).glob("*--*")
    with pytest.raises(CacheError, match="incomplete"):
        ActivationCache.open(left)
    resumed = extract(tiny_model("bert"), SENTENCES, batch_tokens=64, cache=killed / str(batch))
    whole = extract(tiny_model("bert"), SENTENCES, batch_tokens=64, cache=tmp_path / "whole")
    assert resumed.cache == left
    assert digests(resumed.cache) == digests(whole.cache)


def test_a_second_run_reuses_the_cache_and_a_changed_corpus_gets_another(tmp_path: Path) -> None:
    first = extract(tiny_model("bert"), SENTENCES, cache=tmp_path)
    again = extract(tiny_model("bert"), SENTENCES, cache=tmp_path)
    assert again.reused
    assert again.cache == first.cache
    assert not first.reused
    other = extract(tiny_model("bert"), [*SENTENCES, ["new"]], cache=tmp_path)
    assert other.cache != first.cache
    assert any("corpus.fingerprint differs" in note for note in other.notes)


def test_random_weights_are_another_model_and_the_seed_decides(tmp_path: Path) -> None:
    trained, one, two, again = (
        extract(tiny_model("bert"), SENTENCES, random_weights=seed, cache=tmp_path) for seed in (None, 1, 2, 1)
    )
    assert len({trained.cache, one.cache, two.cache}) == 3
    assert again.reused
    assert again.cache == one.cache


@pytest.mark.parametrize(("store", "tolerance"), [("float16", 1e-3), ("bfloat16", 8e-3)])
def test_narrow_storage_rounds_and_no_more(store: str, tolerance: float, tmp_path: Path) -> None:
    wide = ActivationCache.open(extract(tiny_model("bert"), SENTENCES, cache=tmp_path).cache)
    narrow = ActivationCache.open(extract(tiny_model("bert"), SENTENCES, store=store, cache=tmp_path).cache)
    a, b = wide.layer(LAYERS).array(), narrow.layer(LAYERS).array()
    assert 0 < np.abs(a - b).max() <= tolerance * np.abs(a).max()
    assert narrow.layer(LAYERS).dtype == store
    assert narrow.nbytes < wide.nbytes


def test_chosen_layers_only() -> None:
    made = extract(tiny_model("gpt2"), SENTENCES, layers="0,final")
    assert made.layers == [0, "final"]
    with pytest.raises(UsageError, match=r"has 0\.\.3 and final\). Got '9'"):
        extract(tiny_model("gpt2"), SENTENCES, layers=[9])


def test_fault_12_long_examples_follow_the_policy() -> None:
    long = [["tree"] * 100, ["house"]]
    with pytest.raises(InputError, match=r"Choose --overflow window"):
        extract(tiny_model("bert"), long)
    cut = extract(tiny_model("bert"), long, overflow="truncate")
    assert cut.alignment["truncated"] > 0
    assert cut.alignment["covered"] + cut.alignment["truncated"] == 101
    assert any("cut off" in note for note in cut.notes)
    windows = extract(tiny_model("bert"), long, overflow="window")
    assert windows.alignment["truncated"] == 0
    index = ActivationCache.open(windows.cache).index()
    assert sorted(set(index.word[index.example == 0].tolist())) == list(range(-1, 100))


@pytest.fixture
def broken_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second batch of the model holds one NaN."""
    run, count = ModelPass.run, 0

    def broken(self: ModelPass, pieces: Any) -> Any:
        nonlocal count
        count += 1
        if count == 2:
            self.loaded.model.encoder.layer[0].output.LayerNorm.weight[5] = float("nan")
        return run(self, pieces)

    monkeypatch.setattr(ModelPass, "run", broken)


@pytest.mark.usefixtures("broken_block")
def test_fault_11_a_number_that_is_none_names_layer_and_example_and_publishes_nothing(tmp_path: Path) -> None:
    with pytest.raises(NumericError, match=r"Layer 1 \(layer\.01\) holds NaN .* first at example '.+'.*bfloat16"):
        extract(tiny_model("bert"), SENTENCES, batch_tokens=64, cache=tmp_path)
    (cache,) = tmp_path.glob("*--*")
    assert not list((cache / "shards").iterdir())


def test_a_failing_disk_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: ShardWriter, name: str, row: int, block: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ShardWriter, "put", full)
    with pytest.raises(OSError, match="No space left"):
        extract(tiny_model("bert"), SENTENCES, cache=tmp_path)
    (cache,) = tmp_path.glob("*--*")
    assert not list((cache / "shards").iterdir())


def test_the_estimate_is_exact_on_a_small_corpus(tmp_path: Path) -> None:
    cost = estimate(Request.build(tiny_model("bert"), SENTENCES, cache=tmp_path))
    made: Extraction = extract(tiny_model("bert"), SENTENCES, cache=tmp_path)
    assert cost.exact
    assert (cost.rows, cost.layers, cost.width) == (made.rows, len(made.layers), made.width)
    # The headers of shards, which dwarf so few rows, are not counted.
    assert cost.bytes == made.rows * (len(made.layers) * made.width * 4 + 12)
    assert cost.tokens_per_second > 0
    assert [path.name for path in tmp_path.iterdir()] == [made.cache.name]


def test_text_input_needs_text() -> None:
    with pytest.raises(InputError, match=r"Read words \(--input words\)"):
        extract(tiny_model("bert"), SENTENCES, input="text")


def test_the_job_file_of_slurm_extracts_parts_of_one_cache(tmp_path: Path) -> None:
    job = Path(__file__).resolve().parents[2] / "docs" / "howto" / "extract-array.slurm"
    assert subprocess.run(["bash", "-n", str(job)], check=False).returncode == 0
    (tmp_path / "probekit").write_text('#!/bin/sh\necho "$@" >> "$PARTS"\n')
    (tmp_path / "probekit").chmod(0o755)
    told = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PARTS": str(tmp_path / "parts")}
    told |= {"MODEL": str(tiny_model("bert")), "CORPUS": "good corpus.txt", "SLURM_ARRAY_TASK_COUNT": "2"}
    for task in ("2", "1"):
        subprocess.run(["bash", str(job)], env={**told, "SLURM_ARRAY_TASK_ID": task}, check=True)
    parts = (tmp_path / "parts").read_text().splitlines()
    assert [line.split("good corpus.txt ")[1] for line in parts] == ["--shard 2/2 --quiet", "--shard 1/2 --quiet"]
    # What the body types is what makes a cache whole: the part that ends last writes the manifest.
    states = [
        extract(tiny_model("bert"), SENTENCES, cache=tmp_path / "caches", shard=parse_shard(line.split()[-2])).complete
        for line in parts
    ]
    assert states == [False, True]
