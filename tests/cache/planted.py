"""A deterministic stand-in for a model: known arrays, written through the real cache."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

from probekit.cache.format.names import ShardSpec, TensorSpec
from probekit.cache.write import staging
from probekit.cache.write.staging import StagedCorpus
from probekit.cache.write.writer import CacheWriter
from probekit.example import Example
from probekit.sites import tensor_name

PLAN = {"tokens_per_batch": 64, "torch": "2.13.0"}
WIDTH = 40
"""Wide enough for a tensor of a small shard to cover whole pages."""
SHARD_WORDS = 60
LAYERS: list[int | str] = [0, 1, 2, "final"]


class PlantedCorpus:
    """As much of a Corpus as the cache asks for."""

    source = None
    licence = ""
    split_rule = "column 'split'"
    remarks = ("Left out: a.tsv.",)

    def __init__(self, sizes: list[int], *, name: str = "planted", salt: str = "") -> None:
        self.sizes, self.name, self.salt = sizes, name, salt
        self.notes = SimpleNamespace(counts={"empty": 1}, places={})

    def __iter__(self) -> Iterator[Example]:
        for number, size in enumerate(self.sizes):
            words = tuple(f"{self.salt}w{(number * 7 + i) % 50}" for i in range(size))
            split = ("train", "train", "dev", "test")[number % 4]
            yield Example(f"s{number}", words, annotations={"upos": words}, split=split, group=f"d{number // 10}")


def corpus_of(shards: int, *, per_shard: int = 6, name: str = "planted", salt: str = "") -> PlantedCorpus:
    """A corpus that fills `shards` shards with few examples each (each holds one long one)."""
    sizes = []
    for _ in range(shards):
        sizes += [3 + i % 5 for i in range(per_shard - 1)] + [SHARD_WORDS]
    return PlantedCorpus(sizes, name=name, salt=salt)


def stage(corpus: PlantedCorpus, root: Path) -> StagedCorpus:
    """Stage with shards of a few words, so that a test costs milliseconds."""
    with mock.patch.object(staging, "SHARD_WORDS", SHARD_WORDS):
        return staging.stage(corpus, root)


def identity_of(staged: StagedCorpus, **changes: Any) -> dict[str, Any]:
    model = {"name": "planted/model", "weights": "a" * 64, "tokenizer": "b" * 64} | changes
    return {
        "model": model,
        "corpus": {"name": staged.name, "fingerprint": staged.fingerprint},
        "dtype": "float32",
        "layers": [0, 1, 2, "final"],
    }


def rows_of(example: Example, ordinal: int, *, dtype: str = "float32") -> dict[str, np.ndarray]:
    """The rows of one example: a first special token, then one token a word (two for every fifth).

    Every number depends on every word, as a model's do, so that rows of another text are seen.
    """
    meaning = zlib.crc32("\n".join(example.words).encode()) / 2**32
    word = [-1]
    for position in range(len(example.words)):
        word += [position] * (2 if position % 5 == 4 else 1)
    index = np.array(word, np.int32)
    arrays = {
        "index.example": np.full(len(index), ordinal, np.int32),
        "index.word": index,
        "index.token": (index * 31 + ordinal).astype(np.int32),
    }
    for depth, layer in enumerate(LAYERS):
        values = np.sin(np.add.outer(index * 0.1 + ordinal + depth + meaning, np.arange(WIDTH))).astype(np.float32)
        arrays[tensor_name(layer)] = to_bits(values) if dtype == "bfloat16" else values.astype(dtype)
    return arrays


def to_bits(values: np.ndarray) -> np.ndarray:
    """Truncate float32 to bfloat16 bits."""
    return (values.view(np.uint32) >> 16).astype(np.uint16)


def shard_arrays(examples: list[Example], spec: ShardSpec, *, dtype: str = "float32") -> dict[str, np.ndarray]:
    """All rows of a shard, in its row order: longest example first."""
    parts = [rows_of(example, spec.start + i, dtype=dtype) for i, example in enumerate(examples)]
    parts.sort(key=lambda part: -len(part["index.word"]))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def tensors_of(dtype: str = "float32", width: int = WIDTH) -> list[TensorSpec]:
    return [TensorSpec(tensor_name(layer), dtype, width) for layer in LAYERS]


def write_shard(writer: CacheWriter, spec: ShardSpec, *, dtype: str = "float32", batch: int = 50) -> bool:
    """Write one shard in batches of rows, as extraction does."""
    from probekit.cache.examples import read_examples

    arrays = shard_arrays(list(read_examples(writer.folder / "corpus", spec)), spec, dtype=dtype)
    count = len(arrays["index.word"])
    with writer.shard(spec, rows={"": count}, tensors=tensors_of(dtype)) as shard:
        for row in range(0, count, batch):
            for name, array in arrays.items():
                shard.put(name, row, np.ascontiguousarray(array[row : row + batch]))
        return shard.publish({"alignment": {"words": spec.words, "missing": [f"w{spec.number}"]}, "largest": 1.0})


def extract(
    root: Path,
    corpus: PlantedCorpus,
    *,
    plan: dict[str, Any] | None = None,
    dtype: str = "float32",
    mixed: bool = False,
    after_shard: Callable[[ShardSpec], None] | None = None,
    **changes: Any,
) -> Path:
    """What `probekit extract` does, with arrays in place of the model."""
    with stage(corpus, root) as staged:
        identity = identity_of(staged, **changes) | {"dtype": dtype}
        with CacheWriter.open(
            root, identity, PLAN if plan is None else plan, staged, mixed=mixed, resume_command="probekit extract again"
        ) as writer:
            if not writer.complete:
                for spec in writer.missing():
                    write_shard(writer, spec, dtype=dtype)
                    if after_shard:
                        after_shard(spec)
                assert writer.finish() is not None
            return writer.folder


def digests(folder: Path) -> dict[str, str]:
    """The sha256 of every file of a cache, except under ``runs/``."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] != "runs"
    }
