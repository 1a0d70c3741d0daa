"""Targets keep their labels whatever the tokenizer did; pooling equals a plain loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.cache.index import CacheIndex
from probekit.errors import CacheError, InputError, UsageError
from probekit.example import Example
from probekit.features import Pooler, collect, matched, number_bins
from probekit.tasks import ProbeTask, Target


class FakeView:
    """A layer of two shards."""

    def __init__(self, X: np.ndarray, cut: int) -> None:
        self.X, self.cut, self.shape = X, cut, X.shape

    def float_blocks(self) -> Iterator[np.ndarray]:
        yield self.X[: self.cut]
        yield self.X[self.cut :]


def words_task(example: Example) -> Iterator[Target]:
    for i, word in enumerate(example.words):
        yield Target(((i, i + 1),), example.annotations["upos"][i], word)


def pair_task(example: Example) -> Iterator[Target]:
    for i in range(1, len(example.words)):
        yield Target(((i - 1, i), (i, i + 1)), "x", example.words[i])


TASK = ProbeTask("pos", words_task, needs=("upos",))


def corpus_and_index(pieces: list[list[int]]) -> tuple[list[Example], CacheIndex]:
    """Examples with the given numbers of tokens a word, rows as the cache orders them: longest first."""
    splits = ("train", "dev", "test")
    examples = [
        Example(
            id=f"s{i}",
            words=tuple(f"w{i}.{j}" for j in range(len(counts))),
            annotations={"upos": tuple(f"{i}.{j}" for j in range(len(counts)))},
            split=splits[i % 3],
        )
        for i, counts in enumerate(pieces)
    ]
    order = sorted(range(len(pieces)), key=lambda i: -sum(pieces[i]))
    example = [i for i in order for _ in range(sum(pieces[i]) + 2)]
    word = [w for i in order for w in [-1, *np.repeat(np.arange(len(pieces[i])), pieces[i]).tolist(), -1]]
    return examples, CacheIndex(np.array(example, np.int32), np.array(word, np.int32), np.zeros(len(word), np.int32))


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=8), min_size=1, max_size=7), st.integers(0, 40))
def test_every_vector_is_the_mean_of_its_own_word_and_labels_never_shift(pieces: list[list[int]], cut: int) -> None:
    examples, index = corpus_and_index(pieces)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(len(index.word), 5)).astype(np.float32)
    # A cut inside an example cannot happen: shards hold whole examples.
    bounds = [0, *(np.flatnonzero(np.diff(index.example)) + 1).tolist(), len(X)]
    view = FakeView(X, bounds[cut % len(bounds)])
    if not any(count for counts in pieces for count in counts):
        return
    table = collect(TASK, examples, where="here")
    pooler = Pooler(index, table)
    found = pooler.matrix(view)  # type: ignore[arg-type]
    assert len(found) == len(pooler.table) == sum(count > 0 for counts in pieces for count in counts)
    assert sum(pooler.table.without_token.values()) == sum(count == 0 for counts in pieces for count in counts)
    for row, label in enumerate(pooler.table.labels):
        i, j = map(int, str(label).split("."))
        expected = X[(index.example == i) & (index.word == j)].mean(axis=0)
        np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-6)
        assert pooler.table.keys[row] == f"w{i}.{j}"


def test_first_last_and_pairs() -> None:
    examples, index = corpus_and_index([[3, 1]])
    X = np.arange(12, dtype=np.float32).reshape(6, 2)
    view = FakeView(X, 6)
    first = Pooler(index, collect(TASK, examples, where="here"), pool="first")
    assert first.matrix(view).tolist() == [[2, 3], [8, 9]]  # type: ignore[arg-type]
    last = Pooler(index, collect(TASK, examples, where="here"), pool="last")
    assert last.matrix(view).tolist() == [[6, 7], [8, 9]]  # type: ignore[arg-type]
    pair = Pooler(index, collect(ProbeTask("p", pair_task, kind="pair"), examples, where="here"))
    assert pair.matrix(view).tolist() == [[4, 5, 8, 9]]  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="must be one of mean, first, last"):
        Pooler(index, collect(TASK, examples, where="here"), pool="maen")


def test_parts_are_slices_in_the_order_train_dev_test() -> None:
    examples, _ = corpus_and_index([[1, 1], [1], [1], [1, 1, 1]])
    table = collect(TASK, examples, where="here")
    assert [table.part(split) for split in ("train", "dev", "test")] == [slice(0, 5), slice(5, 6), slice(6, 7)]
    assert table.labels[:5] == ["0.0", "0.1", "3.0", "3.1", "3.2"]


def test_a_corpus_without_the_annotation_is_refused_with_what_it_has() -> None:
    plain = [Example(id="a", words=("b",), split="train", annotations={"lemma": ("b",)})]
    with pytest.raises(InputError, match=r"reads the annotation 'upos', which here does not have \(it has: lemma\)"):
        collect(TASK, plain, where="here")


def test_an_edited_corpus_is_refused_at_the_first_difference() -> None:
    stored = [Example(id="a", words=("x", "y"), split="train"), Example(id="b", words=("z",), split="dev")]
    assert list(matched(stored, stored, "c")) == stored
    edited = [stored[0], Example(id="b", words=("q",), split="dev")]
    with pytest.raises(CacheError, match=r"example 'b' .* word 1: cached 'z', now 'q'"):
        list(matched(stored, edited, "c"))
    # The same words under another name: a file that was renamed, or ids of its own.
    named = [Example(id=f"old:{at}", words=("x",), split="train") for at in range(2)]
    renamed = [replace(example, id=example.id.replace("old", "new")) for example in named]
    with pytest.raises(
        CacheError, match=r"words of example 'old:0' under another id, 'new:0'.* was 'old' and is 'new'"
    ):
        list(matched(named, renamed, "c"))
    with pytest.raises(CacheError, match=r"another id, 'c', and splits may go by ids\. Give it its former id, or"):
        list(matched(stored, [stored[0], replace(stored[1], id="c")], "c"))
    with pytest.raises(CacheError, match="ends before example 'b'"):
        list(matched(stored, stored[:1], "c"))
    with pytest.raises(CacheError, match="goes on after"):
        list(matched(stored, [*stored, stored[0]], "c"))
    moved = [stored[0], Example(id="b", words=("z",), split="test")]
    with pytest.raises(CacheError, match="was in split 'dev'"):
        list(matched(stored, moved, "c"))


def test_a_target_outside_its_example_is_the_task_files_fault() -> None:
    bad = ProbeTask("bad", lambda example: [Target(((0, 9),), "x")])
    with pytest.raises(InputError, match=r"gave the span \(0, 9\)"):
        collect(bad, [Example(id="a", words=("b",), split="train")], where="here")


def test_numbers_are_cut_at_quantiles_of_the_training_rows() -> None:
    values = np.array([1, 1, 1, 2, 3, 4, 5, 6, 100.0])
    labels, edges = number_bins(values, slice(0, 8), 4)
    assert edges.tolist() == sorted(set(edges.tolist()))
    assert labels[0] == labels[1]
    assert labels[-1] == labels[7]
    assert len(set(labels)) == len(edges) + 1


def test_endpoints_and_pair_operations_are_what_they_say() -> None:
    examples, index = corpus_and_index([[1, 3, 2], [2, 1, 1, 2], [1, 1]])
    X = np.random.default_rng(0).standard_normal((len(index.word), 5)).astype(np.float32)
    view = FakeView(X, 7)
    table = collect(ProbeTask("pairs", pair_task, kind="pair"), examples, where="here")
    poolers = {
        (pool, pair): Pooler(index, table, pool=pool, pair=pair)
        for pool in ("mean", "first", "last", "endpoints")
        for pair in ("concat", "product", "difference")
    }
    found = {names: pooler.matrix(view) for names, pooler in poolers.items()}  # type: ignore[arg-type]
    first, last = found["first", "concat"], found["last", "concat"]
    ends = np.hstack([first[:, :5], last[:, :5], first[:, 5:], last[:, 5:]])
    np.testing.assert_array_equal(found["endpoints", "concat"], ends)
    for pool in ("mean", "endpoints"):
        whole = found[pool, "concat"]
        a, b = np.split(whole, 2, axis=1)
        np.testing.assert_array_equal(found[pool, "product"], a * b)
        np.testing.assert_array_equal(found[pool, "difference"], a - b)
    assert poolers["endpoints", "product"].width == 4


def test_a_pair_operation_needs_pairs() -> None:
    examples, index = corpus_and_index([[1, 1]])
    table = collect(TASK, examples, where="here")
    with pytest.raises(UsageError, match=r"`pair` option says 'product'.*no pairs"):
        Pooler(index, table, pair="product")
    with pytest.raises(UsageError, match="Did you mean 'product'"):
        Pooler(index, table, pair="produkt")


def test_first_is_the_first_piece_with_text() -> None:
    """A space alone (7) stands before the text of its word, or is all that a word has."""
    examples, index = corpus_and_index([[2, 1, 2, 3], [1, 1], [1, 1]])
    token = np.arange(100, 100 + len(index.token), dtype=np.int32)
    of_first = np.flatnonzero(index.example == 0)
    token[of_first[[1, 3, 4]]] = 7  # before word 0, all of word 1, before word 2
    index = CacheIndex(index.example, index.word, token)
    X = np.arange(2.0 * len(token), dtype=np.float32).reshape(-1, 2)
    view = FakeView(X, 5)

    def read(pool: str) -> np.ndarray:
        table = collect(TASK, examples, where="here")
        return Pooler(index, table, pool=pool, textless=(7, 9)).matrix(view)[:4]  # type: ignore[arg-type]

    rows = of_first[[2, 3, 5, 6]]
    np.testing.assert_array_equal(read("first"), X[rows])
    np.testing.assert_array_equal(read("endpoints"), np.hstack([X[rows], X[of_first[[2, 3, 5, 8]]]]))
    # The mean leaves out nothing of what was read for the word.
    np.testing.assert_array_equal(read("mean")[0], X[of_first[1:3]].mean(0))
