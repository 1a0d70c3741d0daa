"""UUAS and DSpr of Hewitt & Manning (2019) by plain loops: own reading of trees, own spanning trees, own ranks."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from plain import layer_of, mean, token_rows

from probekit import ActivationCache, LayerReport, extract, probe
from probekit.probing.studies.trees import fit, projections
from probekit.probing.studies.trees.batches import Sentences
from probekit.probing.studies.trees.fit import Projection
from probekit.probing.studies.trees.projections import guessed
from probekit.statistics.tree_scores import DISTANCE
from probekit.statistics.trees import Tree, distances_of, spanning_tree

RANK, LAYER, SIZES = 16, 3, {"train": 100, "dev": 35, "test": 35}


@dataclass(frozen=True)
class Sentence:
    """Heads from 1 (0: the root), and which words are punctuation."""

    heads: list[int]
    punctuation: list[bool]


def read(path: Path) -> list[Sentence]:
    """Read CoNLL-U by its columns: words in one piece, no ranges, no empty nodes."""
    found = []
    for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
        lines = [line.split("\t") for line in block.split("\n") if not line.startswith("#")]
        words = [columns for columns in lines if columns[0].isdigit()]
        found.append(Sentence([int(columns[6]) for columns in words], [columns[3] == "PUNCT" for columns in words]))
    return found


def gold_distances(heads: list[int]) -> list[list[int]]:
    """Edges between all pairs of words: up both ways to the root, to where the ways meet."""
    ways = []
    for word in range(1, len(heads) + 1):
        way = [word]
        while heads[way[-1] - 1] != 0:
            way.append(heads[way[-1] - 1])
        ways.append(way)
    return [[min(i + way.index(up) for i, up in enumerate(other) if up in way) for way in ways] for other in ways]


def kruskal(distances: list[list[float]], places: list[int]) -> set[tuple[int, int]]:
    """The lightest tree over some words: edges from the lightest on, each that joins two parts."""
    part = {place: place for place in places}
    edges = set()
    for _, a, b in sorted((distances[a][b], a, b) for a in places for b in places if a < b):
        if part[a] != part[b]:
            edges.add((a, b))
            joined, gone = part[a], part[b]
            part = {place: joined if name == gone else name for place, name in part.items()}
    return edges


def ranks(values: list[float]) -> list[float]:
    """From 1; equal values share the mean of their places."""
    return [sum(v < value for v in values) + (sum(v == value for v in values) + 1) / 2 for value in values]


def spearman(one: list[float], other: list[float]) -> float:
    """Pearson's correlation of the ranks."""
    a, b = (np.array(ranks(values)) - (len(values) + 1) / 2 for values in (one, other))
    return float((a * b).sum() / ((a * a).sum() * (b * b).sum()) ** 0.5)


def scores(sentences: list[Sentence], vectors: list[list[np.ndarray]], B: np.ndarray) -> tuple[float, float]:
    """UUAS over words that are no punctuation; DSpr over all words, averaged by length, lengths 5 to 50 alike."""
    right = total = 0
    by_length: dict[int, list[float]] = {}
    for sentence, H in zip(sentences, vectors, strict=True):
        n = len(H)
        if n < 2:
            continue
        gold = gold_distances(sentence.heads)
        projected = [B @ h for h in H]
        guess = [[float(sum((a - b) ** 2)) for b in projected] for a in projected]
        places = [word for word in range(n) if not sentence.punctuation[word]]
        edges = kruskal([[float(d) for d in row] for row in gold], places)
        right += len(edges & kruskal(guess, places))
        total += len(edges)
        if 5 <= n <= 50:
            by_length.setdefault(n, []).extend(spearman(guess[i], [float(d) for d in gold[i]]) for i in range(n))
    return right / total, sum(sum(rows) / len(rows) for rows in by_length.values()) / len(by_length)


def probed(cache: ActivationCache, layer: int, monkeypatch: pytest.MonkeyPatch) -> tuple[LayerReport, np.ndarray]:
    """Probe one layer; return the report and the projection behind it."""
    kept: list[Projection] = []
    plain = fit.fit_projections

    def keeping(train: np.ndarray, dev: np.ndarray, sentences: object, **options: object) -> list[Projection]:
        kept.extend(plain(train, dev, sentences, **options))  # type: ignore[arg-type]
        return kept

    monkeypatch.setattr(projections, "fit_projections", keeping)
    monkeypatch.setattr(fit, "EPOCHS", 5)  # what is compared are scores, not how good the fit is
    report = probe("tree-distance", on=cache, layers=[layer], ranks=[RANK], fast=True)
    return report, kept[0].B.astype(np.float64)


def vectors_of(cache: ActivationCache, layer: int, first: int, sentences: list[Sentence]) -> list[list[np.ndarray]]:
    rows, vectors = token_rows(cache), layer_of(cache, layer)
    return [
        [mean(vectors, rows[number, word]) for word in range(len(sentence.heads))]
        for number, sentence in enumerate(sentences, start=first)
    ]


def blocks(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from file.read().strip().split("\n\n")


@pytest.fixture(scope="module")
def treebank(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every eleventh sentence of EWT dev, cut into three parts: many genres, many lengths."""
    folder = tmp_path_factory.mktemp("ewt")
    sentences = list(blocks(data / "ud_english_ewt" / "en_ewt-ud-dev.conllu.gz"))[::11]
    for split, size in SIZES.items():
        part, sentences = sentences[:size], sentences[size:]
        (folder / f"x-{split}.conllu").write_text("\n\n".join(part) + "\n\n", encoding="utf-8")
    return folder


def test_scores_on_english_sentences_are_those_of_plain_loops(
    treebank: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = extract("minilm", treebank, layers=[LAYER], cache=tmp_path_factory.mktemp("root"))
    cache = ActivationCache.open(made.cache)
    report, B = probed(cache, LAYER, monkeypatch)
    first = SIZES["train"]
    for split in ("dev", "test"):
        sentences = read(treebank / f"x-{split}.conllu")
        assert len(sentences) == SIZES[split]
        uuas, dspr = scores(sentences, vectors_of(cache, LAYER, first, sentences), B)
        first += len(sentences)
        here = [report.points(split=split, metric=metric)[LAYER].value for metric in ("uuas", "dspr")]
        assert here[0] == pytest.approx(uuas, abs=1e-9)
        assert here[1] == pytest.approx(dspr, abs=1e-4)


def planted(count: int, seed: int) -> tuple[list[Sentence], list[list[np.ndarray]]]:
    """Random trees, and vectors whose squared distances are theirs, among louder noise."""
    rng = np.random.default_rng(seed)
    sentences, vectors = [], []
    turn = np.linalg.qr(np.random.default_rng(9).standard_normal((24, 24)))[0]
    for _ in range(count):
        n = int(rng.integers(5, 12))
        heads = [0, *(int(rng.integers(1, word)) for word in range(2, n + 1))]
        ways = np.zeros((n, 12))
        for word in range(1, n):
            ways[word] = ways[heads[word] - 1]
            ways[word, word] = 1
        # Nothing hangs on punctuation: the words between stay one tree, and no two trees weigh the same.
        ways += 0.02 * rng.standard_normal(ways.shape)  # else rounding would rank equal distances
        sentences.append(Sentence(heads, [word not in heads and rng.random() < 0.4 for word in range(1, n + 1)]))
        vectors.append(list(np.hstack([ways, 3 * rng.standard_normal((n, 12))]) @ turn))
    return sentences, vectors


def test_scores_of_planted_trees_are_those_of_plain_loops() -> None:
    """Under the planted projection all is right, under a fitted one nearly, under the noise nothing; both ways."""
    parts = [planted(count, seed) for seed, count in enumerate((120, 30, 30))]
    trees, X = zip(*(as_trees(*part) for part in parts), strict=True)
    sentences = [Sentences.of(part, depth=False) for part in trees[:2]]
    (fitted,) = fit.fit_projections(X[0], X[1], (sentences[0], sentences[1]), ranks=(12,))
    turn = np.linalg.qr(np.random.default_rng(9).standard_normal((24, 24)))[0]
    found = []
    for B in (np.eye(24)[:12] @ turn, np.eye(24)[12:] @ turn, fitted.B.astype(np.float64)):
        plain = scores(*parts[2], B)
        guesses, units = guessed(X[2].astype(np.float64) @ B.T, trees[2], depth=False), np.zeros(30, np.int64)
        here = [float(metric.value(metric.counts(trees[2], guesses, units, 1))[0]) for metric in DISTANCE]
        assert here[0] == pytest.approx(plain[0], abs=1e-9)
        assert here[1] == pytest.approx(plain[1], abs=1e-6)
        found.append(plain)
    right, noise, learnt = found
    assert right[0] == 1
    assert right[1] > 0.95
    assert max(noise) < 0.6
    assert min(learnt) > 0.85


def as_trees(sentences: list[Sentence], vectors: list[list[np.ndarray]]) -> tuple[list[Tree], np.ndarray]:
    """The same as the code under test has it."""
    trees, start = [], 0
    for number, sentence in enumerate(sentences):
        n = len(sentence.heads)
        distances, depths = distances_of([head - 1 for head in sentence.heads])
        np.testing.assert_array_equal(distances, gold_distances(sentence.heads))
        counted = ~np.array(sentence.punctuation)
        rows, edges = slice(start, start + n), spanning_tree(distances, counted)
        trees.append(Tree(number, rows, np.arange(n), distances, depths, counted, edges))
        start += n
    return trees, np.array([h for H in vectors for h in H], np.float32)
