"""WEAT: equal to sums written out, as planted where an association is planted, and p uniform where there is none."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from probekit.behaviour.bias import AssociationTest, associations_of_cache, examples_of, read_association_test, weat
from probekit.cache.index import CacheIndex
from probekit.errors import InputError, NumericError, UsageError
from probekit.example import Example


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return float(dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b)))


def plainly(X: np.ndarray, Y: np.ndarray, A: np.ndarray, B: np.ndarray) -> tuple[float, float, float]:
    """Return d, S and p of every partition, as Caliskan et al. write them."""
    s = [sum(cosine(w, a) for a in A) / len(A) - sum(cosine(w, b) for b in B) / len(B) for w in (*X, *Y)]
    x, n = len(X), len(s)
    mean = sum(s) / n
    std = math.sqrt(sum((its - mean) ** 2 for its in s) / (n - 1))
    statistic = sum(s[:x]) - sum(s[x:])
    reached = [
        sum(s[i] for i in chosen) - sum(s[i] for i in range(n) if i not in chosen) >= statistic - 1e-9
        for chosen in itertools.combinations(range(n), x)
    ]
    return (sum(s[:x]) / x - sum(s[x:]) / (n - x)) / std, statistic, sum(reached) / len(reached)


def test_equal_to_the_definition() -> None:
    rng = np.random.default_rng(0)
    for sizes in ((4, 4, 3, 5), (2, 5, 1, 2), (5, 3, 4, 4)):
        X, Y, A, B = (rng.normal(size=(n, 6)) for n in sizes)
        found = weat((X, Y), (A, B))
        assert (found.effect, found.statistic, found.p) == pytest.approx(plainly(X, Y, A, B))
        assert found.exact
        assert found.partitions == math.comb(sizes[0] + sizes[1], sizes[0])
        assert found.sizes == sizes


def test_a_planted_association_has_the_effect_it_was_made_with() -> None:
    # At angle t from A towards B, cosines are cos t and sin t: s = cos t - sin t, which is made here.
    def at(s: float) -> list[float]:
        t = math.acos(s / math.sqrt(2)) - math.pi / 4
        return [math.cos(t), math.sin(t)]

    made = np.array([0.5, 0.7, 0.3, -0.5, -0.1, -0.3])
    vectors = np.array([at(s) for s in made]) * np.arange(1, 7)[:, None]  # lengths say nothing
    A, B = [[2.0, 0.0], [1.0, 0.0]], [[0.0, 3.0]]
    found = weat((vectors[:3], vectors[3:]), (A, B))
    assert found.statistic == pytest.approx(2.4)
    assert found.effect == pytest.approx(0.8 / made.std(ddof=1))
    assert found.p == 1 / 20
    turned = weat((vectors[3:], vectors[:3]), (A, B))
    assert turned.effect == pytest.approx(-found.effect)
    assert turned.p == 1


def test_p_is_uniform_without_an_association() -> None:
    rng = np.random.default_rng(1)
    p = []
    for _ in range(300):
        X, Y, A, B = (rng.normal(size=(5, 8)) for _ in range(4))
        p.append(weat((X, Y), (A, B)).p)
    for level in (0.1, 0.3, 0.5, 0.8):
        assert np.mean(np.array(p) <= level) == pytest.approx(level, abs=3 * math.sqrt(level * (1 - level) / 300))


def test_drawn_partitions_come_to_what_all_of_them_do() -> None:
    rng = np.random.default_rng(2)
    X, Y, A, B = rng.normal(size=(4, 7, 5)) + 0.3 * np.eye(4, 5)[:, None]
    exact, drawn = weat((X, Y), (A, B)), weat((X, Y), (A, B), permutations=3000, seed=1)
    assert (exact.partitions, drawn.partitions, drawn.exact) == (3432, 3000, False)
    assert drawn.p == pytest.approx(exact.p, abs=0.03)
    assert weat((X, Y), (A, B), permutations=3000, seed=1) == drawn
    far = 99 * np.eye(5)[0]
    assert weat((X + far, Y - far), ([far], [-far]), permutations=100).p == 1 / 100  # never 0


def test_what_has_no_cosine_or_no_scale_is_an_error() -> None:
    one = np.eye(3)
    with pytest.raises(NumericError, match="length 0"):
        weat((one * 0, one), (one, one))
    with pytest.raises(NumericError, match="associated alike"):
        weat((one, one), (one, one))
    with pytest.raises(UsageError, match="Y must be 2 or more vectors"):
        weat((one, one[:1]), (one, one))
    with pytest.raises(UsageError, match="permutations"):
        weat((one, one), (one, one), permutations=0)


def written(folder: Path, **sets: list[str]) -> Path:
    path = folder / "test-1.jsonl"
    path.write_text(json.dumps({name: {"category": name.upper(), "examples": its} for name, its in sets.items()}))
    return path


def test_a_file_of_words(tmp_path: Path) -> None:
    sets = {"targ1": ["a", "b"], "targ2": ["c", "d"], "attr1": ["e", "f"], "attr2": ["g h", "i"]}
    test = read_association_test(written(tmp_path, **sets))
    assert test.name == "test-1"
    assert test.categories == ("TARG1", "TARG2", "ATTR1", "ATTR2")
    assert test.texts[3] == ("g h", "i")
    assert [example.words for example in examples_of([test, test])][-2:] == [("g", "h"), ("i",)]
    with pytest.raises(InputError, match="'attr2' must have"):
        read_association_test(written(tmp_path, **{name: its for name, its in sets.items() if name != "attr2"}))
    with pytest.raises(InputError, match="'a' twice"):
        read_association_test(written(tmp_path, **{**sets, "targ1": ["a", "a"]}))
    with pytest.raises(InputError, match="no association test"):
        read_association_test(tmp_path / "none.jsonl")


class Planted:
    """As much of a cache as is read: texts of one or two tokens between special ones, vectors given."""

    stacks = ("",)
    textless: tuple[int, ...] = ()
    path = Path("planted")

    def __init__(self, texts: list[str], layers: list[np.ndarray]) -> None:
        self.texts = texts
        # A special token, two tokens of the first word, one of every other; vectors are halved and doubled in the two.
        rows = [(i, word) for i, text in enumerate(texts) for word in (-1, 0, *range(len(text.split())))]
        self.rows = np.array(rows, np.int32)
        self.vectors = [np.stack([self._row(layer[i], word) for i, word in rows]) for layer in layers]
        second = np.flatnonzero((np.diff(self.rows[:, 1]) == 0) & (self.rows[1:, 1] == 0)) + 1
        for vectors in self.vectors:
            vectors[second] *= 3

    @staticmethod
    def _row(vector: np.ndarray, word: int) -> np.ndarray:
        return np.full(len(vector), 99.0) if word < 0 else vector / 2

    def examples(self) -> list[Example]:
        return [Example(str(i), tuple(text.split())) for i, text in enumerate(self.texts)]

    def index(self, stack: str) -> CacheIndex:
        return CacheIndex(self.rows[:, 0], self.rows[:, 1], np.zeros(len(self.rows), np.int32))

    def layers(self, stack: str) -> list[int]:
        return list(range(len(self.vectors)))

    def layer(self, layer: int, stack: str) -> SimpleNamespace:
        block = self.vectors[layer].astype(np.float32)
        return SimpleNamespace(shape=block.shape, float_blocks=lambda: [block])


def test_every_layer_of_a_cache() -> None:
    test = AssociationTest(
        "t", ("X", "Y", "A", "B"), (tuple("abcd"), ("e", "f", "g", "h h"), ("i", "j", "never"), ("k", "l"))
    )
    texts = [text for part in test.texts for text in part if text != "never"]
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(len(texts), 12))
    sides = np.array([1] * 4 + [-1] * 4 + [1] * 2 + [-1] * 2)
    cache = Planted([*texts, "some other text"], [np.vstack([x, x[:1]]) for x in (noise, noise + 5 * sides[:, None])])
    found = associations_of_cache(cache, [test])  # type: ignore[arg-type]
    assert [(row.test, row.layer, row.left_out) for row in found] == [("t", 0, ("never",)), ("t", 1, ("never",))]
    assert found[1].association.p == 1 / math.comb(8, 4)
    assert found[1].association.effect > 1.8
    # Two tokens of a word, v/2 and 3v/2, have the mean v; special tokens are not in it.
    X, Y, A, B = (noise[:4], noise[4:8], noise[8:10], noise[10:])
    assert texts[7] == "h h"
    plain = weat((X[:, :], Y), (A, B))
    assert found[0].association.effect == pytest.approx(plain.effect, abs=1e-5)
    (only,) = associations_of_cache(cache, [test], layers=[1], pool="last")  # type: ignore[arg-type]
    assert only.layer == 1
    lost = AssociationTest("t", test.categories, (test.texts[0], ("gone", "away"), *test.texts[2:]))
    with pytest.raises(InputError, match=r"holds 0 of the 2 texts of 'Y' .*Not there: gone, away"):
        associations_of_cache(cache, [lost])  # type: ignore[arg-type]
