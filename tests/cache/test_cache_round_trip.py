"""What is written is what is read, in every dtype, order and container."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from planted import (
    LAYERS,
    PLAN,
    WIDTH,
    PlantedCorpus,
    corpus_of,
    digests,
    extract,
    identity_of,
    shard_arrays,
    stage,
    tensors_of,
    write_shard,
)

from probekit.cache.examples import read_examples
from probekit.cache.export import export, frame
from probekit.cache.format import names
from probekit.cache.format.names import INDEXES, TensorSpec, cache_key, with_own_digest
from probekit.cache.format.plan import read_plan
from probekit.cache.layers import available_memory
from probekit.cache.reader import ActivationCache
from probekit.cache.write.writer import CacheWriter
from probekit.errors import CacheError, InputError, ResourceError, UsageError
from probekit.example import Example
from probekit.sites import tensor_name

CORPUS = corpus_of(3, per_shard=3)
safetensors = pytest.importorskip("safetensors")


@pytest.fixture
def cache(tmp_path: Path) -> ActivationCache:
    return ActivationCache.open(extract(tmp_path, CORPUS))


def expected(cache: ActivationCache, dtype: str) -> dict[str, np.ndarray]:
    parts = []
    for spec in cache.shards:
        parts.append(shard_arrays(list(read_examples(cache.path / "corpus", spec)), spec, dtype=dtype))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def test_opening_a_cache_reads_each_name_once(cache: ActivationCache, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    plain = names.read_tensor
    monkeypatch.setattr(names, "read_tensor", lambda name: read.append(name) or plain(name))
    names.parse_name.cache_clear()
    again = ActivationCache.open(cache.path)
    assert len(again.shards) > 1
    assert len(read) == len(set(read))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_rows_come_back(tmp_path: Path, dtype: str) -> None:
    cache = ActivationCache.open(extract(tmp_path, CORPUS, dtype=dtype))
    stored = expected(cache, dtype)
    index = cache.index()
    for name in INDEXES:
        assert (getattr(index, name.removeprefix("index.")) == stored[name]).all()
    assert cache.layers() == LAYERS
    for layer in LAYERS:
        view = cache.layer(layer)
        raw = stored[tensor_name(layer)]
        assert (np.concatenate(list(view.blocks())) == raw).all()
        floats = (raw.astype(np.uint32) << 16).view(np.float32) if dtype == "bfloat16" else raw.astype(np.float32)
        assert view.dtype == dtype
        assert view.shape == floats.shape
        assert (view.array() == floats).all()
        assert (np.concatenate(list(view.float_blocks())) == floats).all()
        rows = np.array([5, 0, len(view) - 1, -1, 5])
        assert (view[rows] == floats[rows]).all()
        assert (view[3:200:7] == floats[3:200:7]).all()
        assert (view[floats[:, 0] > 0] == floats[floats[:, 0] > 0]).all()
        assert view[4].shape == (view.shape[1],)
        assert view[4].dtype == view.array().dtype == np.float32
        assert view[[]].shape == (0, view.shape[1])


def test_another_reader_of_safetensors_agrees(cache: ActivationCache) -> None:
    for number in range(len(cache.shards)):
        with safetensors.safe_open(cache.path / f"shards/0000{number}.safetensors", "numpy") as shard:
            for layer in LAYERS:
                name = tensor_name(layer)
                assert (shard.get_tensor(name) == cache.block(name, number)).all()


def test_examples_come_back(cache: ActivationCache) -> None:
    kept = list(cache.examples())
    assert [(e.id, e.words, e.group, e.split) for e in kept] == [(e.id, e.words, e.group, e.split) for e in CORPUS]
    assert all(not e.annotations for e in kept)
    assert cache.source is None
    assert cache.corpus["annotations"] == ["upos"]
    assert cache.corpus["splits"] == {"train": 5, "dev": 2, "test": 2}


def test_two_caches_of_equal_content_are_equal(tmp_path: Path) -> None:
    assert digests(extract(tmp_path / "a", CORPUS)) == digests(extract(tmp_path / "b", CORPUS))


def test_the_size_of_batches_and_their_order_change_nothing(tmp_path: Path, cache: ActivationCache) -> None:
    with stage(CORPUS, tmp_path / "b") as staged:
        identity = identity_of(staged) | {"dtype": "float32"}
        with CacheWriter.open(tmp_path / "b", identity, PLAN, staged) as writer:
            for spec in reversed(writer.missing()):
                arrays = shard_arrays(list(read_examples(writer.folder / "corpus", spec)), spec)
                count = len(arrays["index.word"])
                with writer.shard(spec, rows={"": count}, tensors=tensors_of()[::-1]) as shard:
                    for name, array in arrays.items():
                        for row in reversed(range(0, count, 13)):
                            shard.put(name, row, array[row : row + 13])
                    found = {"words": spec.words, "missing": [f"w{spec.number}"]}
                    shard.publish({"alignment": found, "largest": 1.0})
            assert writer.progress()["shards_planned"] == 3
            writer.finish()
            assert digests(writer.folder) == digests(cache.path)


def test_encoder_decoder_has_two_indexes(tmp_path: Path) -> None:
    stacks = ("encoder", "decoder")
    with stage(CORPUS, tmp_path) as staged, CacheWriter.open(tmp_path, identity_of(staged), PLAN, staged) as writer:
        for spec in writer.missing():
            tensors = [TensorSpec(tensor_name(0, stack), "float32", 4) for stack in stacks]
            with writer.shard(spec, rows={"encoder": 3, "decoder": 5}, tensors=tensors) as shard:
                for stack, rows in zip(stacks, (3, 5), strict=True):
                    for name in INDEXES:
                        shard.put(f"{stack}.{name}", 0, np.arange(rows, dtype=np.int32))
                    shard.put(tensor_name(0, stack), 0, np.full((rows, 4), rows, np.float32))
                shard.publish({})
        manifest = writer.finish()
    cache = ActivationCache.open(writer.folder)
    assert manifest is not None
    assert manifest["totals"]["rows"] == {"encoder": 9, "decoder": 15}
    assert cache.stacks == stacks
    assert cache.layer(0, "decoder").array().tolist() == [[5.0] * 4] * 15
    assert cache.index("encoder").word.tolist() == [0, 1, 2] * 3
    with pytest.raises(UsageError, match="stack"):
        cache.index()


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        folder = extract(tmp_path, CORPUS)
    finally:
        os.umask(old)
    assert {oct(path.stat().st_mode & 0o777) for path in folder.rglob("*") if path.is_file()} == {"0o640"}


def test_misuse_is_refused(tmp_path: Path) -> None:
    with stage(CORPUS, tmp_path) as staged, CacheWriter.open(tmp_path, identity_of(staged), PLAN, staged) as writer:
        spec = writer.missing()[0]
        with writer.shard(spec, rows={"": 4}, tensors=tensors_of()) as shard:
            good = np.zeros((2, WIDTH), np.float32)
            shard.put("layer.00", 0, good)
            for row, block in ((0, good), (3, good), (2, good.astype(np.float64)), (2, good[:, ::2]), (-1, good)):
                with pytest.raises(ValueError):
                    shard.put("layer.00", row, block)
            with pytest.raises(ValueError, match="never put"):
                shard.publish({})
        assert list((writer.folder / "shards").iterdir()) == []


def test_a_receipt_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with stage(CORPUS, tmp_path) as staged, CacheWriter.open(tmp_path, identity_of(staged), PLAN, staged) as writer:
        spec = writer.missing()[0]
        tensors = [TensorSpec("layer.00", "float32", 1)]
        with writer.shard(spec, rows={"": 1}, tensors=tensors) as shard:
            for name in INDEXES:
                shard.put(name, 0, np.zeros(1, np.int32))
            shard.put("layer.00", 0, np.zeros((1, 1), np.float32))
            with pytest.raises(ValueError, match="too long"):
                shard.publish({"words": ["x" * 70_000]})


def test_another_plan_is_refused_unless_mixed(tmp_path: Path) -> None:
    other = PLAN | {"torch": "2.14.0"}
    with stage(CORPUS, tmp_path) as staged:
        identity = identity_of(staged) | {"dtype": "float32"}
        with CacheWriter.open(tmp_path, identity, PLAN, staged) as writer:
            write_shard(writer, writer.missing()[0])
    with pytest.raises(CacheError, match=r"torch differs: old '2\.13\.0', new '2\.14\.0'.*--mixed"):
        extract(tmp_path, CORPUS, plan=other)
    folder = extract(tmp_path, CORPUS, plan=other, mixed=True)
    assert ActivationCache.open(folder).made_with == PLAN
    assert extract(tmp_path, CORPUS, plan=other) == folder


def test_an_empty_corpus_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing is left"):
        extract(tmp_path, PlantedCorpus([]))
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_fails_leaves_nothing(tmp_path: Path) -> None:
    class Broken(PlantedCorpus):
        def __iter__(self) -> Iterator[Example]:
            yield from super().__iter__()
            raise InputError("file:3:1")

    with pytest.raises(InputError, match="file:3:1"):
        extract(tmp_path, Broken([3]))
    assert list(tmp_path.iterdir()) == []


def test_a_lone_surrogate_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'s0'.*surrogate"):
        extract(tmp_path, PlantedCorpus([3], salt="\ud800"))


def test_lines_end_at_newlines_only(tmp_path: Path) -> None:
    salt = "a\u2028b\u0085c\rd\ne\x00\U0001f469\u200d\U0001f4bb"
    cache = ActivationCache.open(extract(tmp_path, PlantedCorpus([3, 4], salt=salt)))
    assert next(iter(cache.examples())).words[0] == f"{salt}w0"


def test_a_layer_that_does_not_fit_is_refused(cache: ActivationCache, monkeypatch: pytest.MonkeyPatch) -> None:
    assert available_memory() is None or available_memory() > 1e6
    monkeypatch.setattr("probekit.cache.layers.available_memory", lambda: 10)
    with pytest.raises(ResourceError, match="GB of memory"):
        cache.layer(0).array()
    assert cache.layer(0)[:2].shape == (2, WIDTH)


def test_a_key_depends_on_every_field_and_on_no_order() -> None:
    identity = {"model": {"name": "m", "weights": "a"}, "corpus": {"name": "c"}, "layers": [0, 1]}
    assert cache_key(dict(reversed(identity.items()))) == cache_key(identity)
    for changed in (
        {"layers": [1, 0]},
        {"layers": [0]},
        {"dtype": "float32"},
        {"model": {"name": "m", "weights": "b"}},
    ):
        assert cache_key(identity | changed) != cache_key(identity)


def test_vectors_are_exported(tmp_path: Path, cache: ActivationCache) -> None:
    stored = expected(cache, "float32")
    told = export(cache, tmp_path / "x.npz", layers="0,final")
    with np.load(tmp_path / "x.npz") as arrays:
        assert (arrays["layer.00"] == stored["layer.00"]).all()
        assert (arrays["final"] == stored["final"]).all()
        assert (arrays["word"] == stored["index.word"]).all()
        assert set(arrays) == {"layer.00", "final", "example", "word", "token", "id", "form"}
    assert told["rows"] == len(stored["index.word"])
    assert told["columns"] == 2 * WIDTH
    export(cache, tmp_path / "x.npy", layers=[1])
    assert (np.load(tmp_path / "x.npy") == stored["layer.01"]).all()
    assert export(cache, tmp_path / "x.npz", layers="0, 0,0")["columns"] == WIDTH
    with pytest.raises(UsageError, match="one layer"):
        export(cache, tmp_path / "y.npy")
    with pytest.raises(UsageError, match=r"\.npz"):
        export(cache, tmp_path / "y.npx")
    with pytest.raises(UsageError, match="has 0,1,2,final"):
        export(cache, tmp_path / "y.npz", layers="7")
    for wrong in ("x", "0,", "9" * 5000):
        with pytest.raises(UsageError, match="has 0,1,2,final"):
            export(cache, tmp_path / "y.npz", layers=wrong)
    for place in ("no/y.npz", "y" * 300 + ".npz"):
        with pytest.raises(ResourceError, match="Give another FILE"):
            export(cache, tmp_path / place)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["x.npy", "x.npz"]


def test_words_are_the_means_of_their_tokens(tmp_path: Path, cache: ActivationCache) -> None:
    pandas = pytest.importorskip("pandas")
    tokens, words = frame(cache, [1]), frame(cache, [1], words=True)
    columns = [f"layer.01.{i}" for i in range(WIDTH)]
    means = tokens[tokens.word >= 0].groupby(["example", "word"])[columns].mean()
    mine = words.set_index(["example", "word"])[columns].sort_index()
    assert len(words) == sum(CORPUS.sizes)
    np.testing.assert_allclose(mine.to_numpy(), means.to_numpy(), rtol=1e-5, atol=1e-6)
    kept = list(cache.examples())
    assert all(kept[e].words[w] == form for e, w, form in zip(words.example, words.word, words.form, strict=True))
    export(cache, tmp_path / "x.csv", layers=[1], words=True)
    read = pandas.read_csv(tmp_path / "x.csv", keep_default_na=False)
    np.testing.assert_allclose(read[columns].to_numpy(), words[columns].to_numpy(), rtol=1e-6)
    pytest.importorskip("pyarrow")
    export(cache, tmp_path / "x.parquet", layers=[1], words=True)
    pandas.testing.assert_frame_equal(pandas.read_parquet(tmp_path / "x.parquet")[columns], words[columns])


def test_no_torch() -> None:
    code = (
        "import sys, probekit.cache, probekit.cache.manage.verify, probekit.cache.manage.folders;"
        "import probekit.cache.export;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_opening_a_gigabyte_takes_under_50_ms(tmp_path: Path) -> None:
    tensors = [TensorSpec(tensor_name(layer), "float32", 768) for layer in range(13)]
    with (
        stage(corpus_of(5, per_shard=2), tmp_path) as staged,
        CacheWriter.open(tmp_path, identity_of(staged), PLAN, staged) as writer,
    ):
        for spec in writer.missing():
            with writer.shard(spec, rows={"": 5500}, tensors=tensors) as shard:
                for name in INDEXES:
                    shard.put(name, 0, np.zeros(5500, np.int32))
                for tensor in tensors:
                    shard.put(tensor.name, 0, np.zeros((5500, 768), np.float32))
                shard.publish({})
        writer.finish()
    started = time.process_time()
    cache = ActivationCache.open(writer.folder)
    assert time.process_time() - started < 0.05
    assert cache.nbytes > 1e9


def test_a_cache_from_before_remarks_were_kept_opens(tmp_path: Path) -> None:
    cache = extract(tmp_path, corpus_of(1))
    plan = json.loads((cache / "plan.json").read_text())
    assert plan["corpus"].pop("remarks") == ["Left out: a.tsv."]
    del plan["sha256"]
    (cache / "plan.json").write_bytes(with_own_digest(plan))
    assert "remarks" not in read_plan(cache).corpus
