"""Static embeddings in the same cache: the rows are the table's, and all that holds for models holds for them."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from children import PATIENCE, in_child
from tiny_models import FAMILIES, tiny_model

import probekit.cache.write.staging
from probekit import ActivationCache, extract, probe
from probekit.cache.manage.verify import verify
from probekit.controls import RANDOM_WEIGHTS, Control
from probekit.errors import CacheError, InputError, UsageError
from probekit.extraction.cost import estimate
from probekit.extraction.forward_pass import ModelPass
from probekit.extraction.request import Request
from probekit.models.sources.find import find_model

SENTENCES = [
    ["the", "doctor", "walked", "to", "The", "quiet", "house"],
    ["music"],
    ["rivers", "carry", "paper"],
    ["[SEP]", "<s>", "trees"],
] * 10
WORDS = sorted({word.lower() for words in SENTENCES for word in words} - {"music", "<s>"})


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several shards from a small corpus."""
    monkeypatch.setattr(probekit.cache.write.staging, "SHARD_WORDS", 40)


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    """Vectors of all words of the sentences but two, in lower case."""
    values = np.random.default_rng(0).normal(size=(len(WORDS), 5)).astype(np.float32)
    path = tmp_path / "vectors.txt"
    path.write_text("".join(f"{w} {' '.join(map(str, row))}\n" for w, row in zip(WORDS, values, strict=True)))
    return path


def digests(cache: Path) -> dict[str, str]:
    """Every file of a cache but the records of runs."""
    files = sorted(path for path in cache.rglob("*") if path.is_file() and "runs" not in path.parts)
    return {str(path.relative_to(cache)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_rows_of_a_model_are_its_embedding_matrix_at_the_tokens_it_reads(family: str) -> None:
    from transformers import AutoModel

    folder = tiny_model(family)
    static = ActivationCache.open(extract(f"static:{folder}", SENTENCES).cache)
    whole = ActivationCache.open(extract(folder, SENTENCES, layers=[0]).cache)
    stack = "encoder" if "encoder" in whole.stacks else ""
    ours, theirs = static.index(), whole.index(stack)
    for column in ("example", "word", "token"):
        assert (getattr(ours, column) == getattr(theirs, column)).all()
    table = AutoModel.from_pretrained(folder, dtype=torch.float32).get_input_embeddings().weight.detach().numpy()
    assert static.layers() == [0]
    np.testing.assert_array_equal(static.layer(0).array(), table[ours.token])


def test_the_rows_of_a_file_are_its_vectors_one_a_word(vectors: Path) -> None:
    made = extract(f"static:{vectors}", SENTENCES)
    cache = ActivationCache.open(made.cache)
    table = {line.split()[0]: np.array(line.split()[1:], np.float32) for line in vectors.read_text().splitlines()}
    mean = np.mean(list(table.values()), axis=0)
    index, rows = cache.index(), cache.layer(0).array()
    assert made.rows == sum(map(len, SENTENCES))
    for example, word, row in zip(index.example.tolist(), index.word.tolist(), rows, strict=True):
        expected = table.get(SENTENCES[example][word].lower(), mean)
        np.testing.assert_allclose(row, expected, atol=1e-6)
    assert (made.alignment["lowered"], made.alignment["vectorless"], made.alignment["missing"]) == (20, 20, 0)
    assert "20 found in lower case, 20 given the mean vector" in made.alignment_line
    assert any("20 words have no vector" in note and ": music'" in note for note in made.notes)
    assert not verify(made.cache).problems


def test_a_model_is_no_table_and_says_nothing_of_one() -> None:
    made = extract(tiny_model("bert"), SENTENCES)
    assert (made.alignment["lowered"], made.alignment["vectorless"]) == (0, 0)
    assert "vector" not in made.alignment_line
    assert made.notes == [note for note in made.notes if "no vector" not in note]


def test_the_key_is_of_the_files_digest(vectors: Path) -> None:
    first, again = (extract(f"static:{vectors}", SENTENCES) for _ in range(2))
    assert again.reused
    assert again.cache == first.cache
    vectors.write_text(vectors.read_text().replace("1", "2"))
    other = extract(f"static:{vectors}", SENTENCES)
    assert other.cache != first.cache
    assert any("model.weights differs" in note for note in other.notes)


def test_a_reused_table_imports_no_torch(vectors: Path, tmp_path: Path) -> None:
    text = tmp_path / "corpus.txt"
    text.write_text("\n".join(map(" ".join, SENTENCES)))
    for model in (f"static:{vectors}", f"static:{tiny_model('bert')}"):
        extract(model, str(text), cache=tmp_path / "caches")
        script = (
            "import sys; from probekit import extract; made = extract(*sys.argv[1:3], cache=sys.argv[3])\n"
            "print(made.reused, 'torch' in sys.modules)"
        )
        command = [sys.executable, "-c", script, model, str(text), str(tmp_path / "caches")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
        assert done.stdout.split() == ["True", "False"]


@pytest.mark.parametrize("kind", ["file", "model"])
def test_the_estimate_is_exact(kind: str, vectors: Path, tmp_path: Path) -> None:
    model = f"static:{vectors if kind == 'file' else tiny_model('gpt2')}"
    cost = estimate(Request.build(model, SENTENCES, cache=tmp_path / "caches"))
    made = extract(model, SENTENCES, cache=tmp_path / "caches")
    assert cost.exact
    assert (cost.rows, cost.layers, cost.width, cost.shards) == (made.rows, 1, made.width, made.shards)
    assert estimate(Request.build(model, SENTENCES, cache=tmp_path / "caches")).notes == [
        f"It is complete already: {made.cache}."
    ]


def test_a_killed_run_resumes_to_the_same_bytes_and_parts_equal_the_whole(vectors: Path, tmp_path: Path) -> None:
    model, run, begun = f"static:{vectors}", ModelPass.run, iter(range(100))

    def dying(self: ModelPass, pieces: Any) -> Any:
        if next(begun) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return run(self, pieces)

    def work() -> None:
        with mock.patch.object(ModelPass, "run", dying):
            extract(model, SENTENCES, batch_tokens=16, cache=tmp_path / "killed")

    assert in_child(work) == -signal.SIGKILL
    (left,) = (tmp_path / "killed").glob("*--*")
    with pytest.raises(CacheError, match="incomplete"):
        ActivationCache.open(left)
    resumed = extract(model, SENTENCES, batch_tokens=16, cache=tmp_path / "killed")
    whole = extract(model, SENTENCES, batch_tokens=16, cache=tmp_path / "whole")
    for part in (2, 1):
        extract(model, SENTENCES, batch_tokens=16, cache=tmp_path / "parts", shard=(part, 2))
    (parts,) = (tmp_path / "parts").glob("*--*")
    assert resumed.cache == left
    assert digests(left) == digests(whole.cache) == digests(parts)


def test_random_weights_of_a_static_model_are_the_table_that_the_seed_draws() -> None:
    folder = tiny_model("bert")
    drawn, again, read = (extract(f"static:{folder}", SENTENCES, random_weights=seed) for seed in (3, 3, None))
    assert again.reused
    assert drawn.cache != read.cache
    table = (
        find_model(folder)
        .load(control=Control(RANDOM_WEIGHTS, 3), device="cpu")
        .model.get_input_embeddings()
        .weight.numpy()
    )
    cache = ActivationCache.open(drawn.cache)
    np.testing.assert_array_equal(cache.layer(0).array(), table[cache.index().token])


def test_the_limit_of_the_model_holds_for_its_table_and_a_file_has_none(vectors: Path) -> None:
    long = [["trees"] * 100]
    with pytest.raises(InputError, match="Choose --overflow window"):
        extract(f"static:{tiny_model('bert')}", long)
    assert extract(f"static:{tiny_model('bert')}", long, overflow="window").alignment["covered"] == 100
    assert extract(f"static:{vectors}", long).rows == 100


def test_there_is_one_layer(vectors: Path) -> None:
    with pytest.raises(UsageError, match=r"this model has 0\.\.0\). Got '3'"):
        extract(f"static:{vectors}", SENTENCES, layers=[3])
    assert extract(f"static:{vectors}", SENTENCES, layers=[0], store="bfloat16").layers == [0]


def test_probing_a_table_is_probing_a_model_of_one_layer(vectors: Path) -> None:
    names = (tiny_model("bert"), f"static:{vectors}")
    model, table = (extract(name, "grammar:n=120", overflow="window").cache for name in names)
    reports = [probe("pos", cache, fast=True) for cache in (model, table)]
    assert reports[1].layers == (0,)
    assert reports[1].best_layer().layer == 0
    # The words without a vector are targets like all others, so both are scored over the same.
    assert len({report.select("logistic", split="test")[0].n for report in reports}) == 1
    assert any("have no vector of their own" in note for note in reports[1].provenance["notes"])
    assert not any("no vector" in note for note in reports[0].provenance["notes"])
