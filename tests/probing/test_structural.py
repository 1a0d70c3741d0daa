"""Structural probes against the paper's definitions, computed the slow way, and against planted trees."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import minimum_spanning_tree, shortest_path
from scipy.stats import spearmanr

from probekit.probing.studies.trees import fit
from probekit.probing.studies.trees.batches import Group, Sentences, loss_of, predict, slope_of
from probekit.probing.studies.trees.fit import fit_projections
from probekit.probing.studies.trees.projections import guessed
from probekit.statistics.tree_scores import DEPTH, DISTANCE, TREE_METRICS
from probekit.statistics.trees import Tree, distances_of, spanning_tree, spanning_trees


def heads_of(n: int, rng: np.random.Generator) -> list[int]:
    """A random tree: in a random order every word hangs on an earlier one."""
    order = rng.permutation(n)
    heads = [-1] * n
    for place in range(1, n):
        heads[order[place]] = int(order[rng.integers(place)])
    return heads


def tree_of(heads: list[int], start: int, rng: np.random.Generator) -> Tree:
    distances, depths = distances_of(heads)
    counted = rng.random(len(heads)) < 0.8
    counted[:2] = True
    words, rows = np.arange(len(heads)), slice(start, start + len(heads))
    return Tree(0, rows, words, distances, depths, counted, spanning_tree(distances, counted))


def forest(count: int, seed: int = 0) -> tuple[list[Tree], list[list[int]]]:
    rng = np.random.default_rng(seed)
    trees, heads, start = [], [], 0
    for _ in range(count):
        heads.append(heads_of(int(rng.integers(4, 12)), rng))
        trees.append(tree_of(heads[-1], start, rng))
        start += len(heads[-1])
    return trees, heads


def planted(heads: list[list[int]], rotation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Vectors whose squared distances over some directions are tree distances; the others are louder noise."""
    rows = []
    for tree in heads:
        own = np.zeros((len(tree), 12))
        for word in range(len(tree)):
            place = word
            while place >= 0:
                own[word, place] = tree[place] >= 0
                place = tree[place]
        rows.append(own)
    signal = np.concatenate(rows)
    noise = 3 * rng.standard_normal((len(signal), len(rotation) - signal.shape[1]))
    return (np.hstack([signal, noise]) @ rotation).astype(np.float32)


def rotation(d: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(7).standard_normal((d, d)))[0]


@pytest.mark.parametrize("n", [1, 2, 9, 30])
def test_distances_are_those_of_the_graph(n: int) -> None:
    heads = heads_of(n, np.random.default_rng(n))
    edges = [(word, head) for word, head in enumerate(heads) if head >= 0]
    graph = csr_matrix((np.ones(len(edges)), tuple(zip(*edges, strict=True)) or ([], [])), shape=(n, n))
    distances, depths = distances_of(heads)
    np.testing.assert_array_equal(distances, shortest_path(graph, directed=False))
    np.testing.assert_array_equal(depths, distances[heads.index(-1)])


@pytest.mark.parametrize("heads", [[-1, -1], [1, 0], [-1, 2, 1]])
def test_what_is_no_tree_is_refused(heads: list[int]) -> None:
    with pytest.raises(ValueError, match=r"root|cycle"):
        distances_of(heads)


def test_the_loss_is_that_of_the_paper() -> None:
    trees, _ = forest(5)
    rng = np.random.default_rng(1)
    X, B = rng.standard_normal((60, 7)), rng.standard_normal((3, 7))
    for depth in (False, True):
        P = torch.from_numpy(X) @ torch.from_numpy(B).T
        found = 0.0
        for group in Sentences.of(trees, depth=depth).groups:
            exact = Group(group.rows, group.gold.double(), group.weight.double())
            moved = P[group.rows].requires_grad_()
            loss = loss_of(moved, exact, depth=depth)
            loss.backward()
            torch.testing.assert_close(moved.grad, slope_of(moved.detach(), exact, depth=depth))
            found += loss.item()
        expected = 0.0
        for tree in trees:
            H, n = X[tree.rows], len(tree)
            if depth:
                expected += sum(abs(tree.depths[i] - sum((B @ H[i]) ** 2)) for i in range(n)) / n
                continue
            for i in range(n):
                for j in range(n):
                    expected += abs(tree.distances[i, j] - sum((B @ (H[i] - H[j])) ** 2)) / n**2
        assert found == pytest.approx(expected, rel=1e-6)


def test_every_sentence_weighs_the_same_in_a_step_and_shares_it_by_chance() -> None:
    trees, _ = forest(300)
    sentences = Sentences.of(trees, depth=False)
    steps = list(sentences.drawn(np.random.default_rng(0), 50))
    assert [sum(map(len, step)) for step in steps] == [50] * 6
    rows = np.concatenate([group.rows[:, 0].numpy() for step in steps for group in step])
    assert sorted(rows.tolist()) == [tree.rows.start for tree in trees]
    lengths = [np.concatenate([(group.weight > 0).sum(1).numpy() for group in step]) for step in steps]
    for own in lengths:
        assert abs(own.mean() - np.mean([len(tree) for tree in trees])) < 1
        assert own.max() - own.min() > 5
    again = [group.rows[:, 0].tolist() for group in next(sentences.drawn(np.random.default_rng(1), 50))]
    assert again != [group.rows[:, 0].tolist() for group in steps[0]]
    # The loss of padded sentences is their loss alone: as if each had been the only one of its step.
    P = torch.randn(sum(map(len, trees)), 4, generator=torch.Generator().manual_seed(0))
    for tree in trees[:20]:
        alone = loss_of(P[None, tree.rows], Sentences.of([tree], depth=False).groups[0], depth=False)
        (group, place) = next(
            (group, place)
            for group in sentences.groups
            for place, row in enumerate(group.rows[:, 0].tolist())
            if row == tree.rows.start
        )
        one = group.take(torch.tensor([place]))
        assert loss_of(P[one.rows], one, depth=False).item() == pytest.approx(alone.item(), rel=1e-5)


def test_of_equal_distances_the_earlier_pair_is_taken() -> None:
    """As if all pairs, in their order, were sorted and joined."""
    rng = np.random.default_rng(5)
    sizes = [2, 3, 6, 6, 6, 9, 9, 14]
    D = [rng.integers(1, 4, (n, n)).astype(float) for n in sizes]
    D = [np.triu(each, 1) + np.triu(each, 1).T for each in D]
    counted = [rng.random(n) < 0.8 for n in sizes]
    for each, own, found in zip(D, counted, spanning_trees(D, counted), strict=True):
        part, expected = list(range(len(own))), set()
        pairs = [(a, b) for a in range(len(own)) for b in range(a + 1, len(own)) if own[a] and own[b]]
        for a, b in sorted(pairs, key=lambda pair: each[pair]):
            if part[a] != part[b]:
                expected.add((a, b))
                part = [part[a] if name == part[b] else name for name in part]
        assert found == expected == spanning_tree(each, own)


def test_spanning_trees_weigh_as_little_as_scipys() -> None:
    rng = np.random.default_rng(0)
    for n in (2, 5, 20):
        D = rng.random((n, n)) + 0.1
        D = D + D.T
        edges = spanning_tree(D, np.ones(n, bool))
        assert len(edges) == n - 1
        assert sum(D[a, b] for a, b in edges) == pytest.approx(minimum_spanning_tree(np.triu(D, 1)).sum())


def test_scores_are_those_of_the_paper() -> None:
    trees, _ = forest(40)
    rng = np.random.default_rng(2)
    units = np.arange(len(trees)) // 4
    close = [tree.distances + rng.normal(0, 1.2, tree.distances.shape) for tree in trees]
    close = [(D + D.T) / 2 for D in close]
    deep = [tree.depths + rng.normal(0, 0.8, len(tree)) for tree in trees]
    found = {}
    for metrics, guesses in ((DISTANCE, close), (DEPTH, deep)):
        for metric in metrics:
            counts = metric.counts(trees, guesses, units, 10)
            assert counts.shape[0] == 10
            found[metric.name] = metric.value(counts.sum(axis=0, keepdims=True))[0]
    right = total = 0
    for tree, D in zip(trees, close, strict=True):
        places = np.flatnonzero(tree.counted)
        sub = minimum_spanning_tree(np.triu(D[np.ix_(places, places)] + 100, 1)).tocoo()
        said = {(int(places[a]), int(places[b])) for a, b in zip(sub.row, sub.col, strict=True)}
        right, total = right + len(said & tree.edges), total + len(places) - 1
    assert found["uuas"] == pytest.approx(right / total)
    by_length: dict[int, list[float]] = {}
    depths: dict[int, list[float]] = {}
    for tree, D, d in zip(trees, close, deep, strict=True):
        if len(tree) >= 5:
            rows = [spearmanr(D[i], tree.distances[i]).statistic for i in range(len(tree))]
            by_length.setdefault(len(tree), []).extend(rows)
            depths.setdefault(len(tree), []).append(spearmanr(d, tree.depths).statistic)
    assert found["dspr"] == pytest.approx(np.mean([np.mean(rows) for rows in by_length.values()]))
    assert found["nspr"] == pytest.approx(np.mean([np.mean(rows) for rows in depths.values()]))
    hits = [
        np.where(tree.counted, d, np.inf).argmin() == tree.depths.argmin() for tree, d in zip(trees, deep, strict=True)
    ]
    assert found["root_accuracy"] == pytest.approx(np.mean(hits))


def scores(B: np.ndarray, X: np.ndarray, trees: list[Tree], *, depth: bool) -> dict[str, float]:
    guesses, units = guessed(X @ B.T, trees, depth=depth), np.zeros(len(trees), np.int64)
    metrics = DEPTH if depth else DISTANCE
    return {m.name: float(m.value(m.counts(trees, guesses, units, 1))[0]) for m in metrics}


@pytest.mark.parametrize("depth", [False, True])
def test_planted_trees_are_found_in_the_layer_that_has_them_and_in_no_other(depth: bool) -> None:
    rng = np.random.default_rng(3)
    turn = rotation(24)
    parts = [(forest(count, seed), count) for seed, count in enumerate((200, 60, 80))]
    trees = [forest_ for (forest_, _), _ in parts]
    X = [planted(heads, turn, rng) for (_, heads), _ in parts]
    noise = [rng.standard_normal(part.shape).astype(np.float32) for part in X]
    batches = (Sentences.of(trees[0], depth=depth), Sentences.of(trees[1], depth=depth))
    for vectors, there in ((X, True), (noise, False)):
        low, high = fit_projections(vectors[0], vectors[1], batches, ranks=(2, 12))
        assert (low.B.shape, high.B.shape) == ((2, 24), (12, 24))
        found = scores(high.B, vectors[2], trees[2], depth=depth)
        first, second = found.values()
        if there:
            assert first > 0.9
            assert second > 0.9
            assert low.dev_loss > high.dev_loss
        else:
            assert first < 0.45
            # A word's distance to itself is right by definition, so correlations of distances start above 0.
            assert abs(second) < (0.1 if depth else 0.5)


def test_ranks_fitted_together_are_as_good_as_alone_and_a_seed_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "EPOCHS", 6)
    rng = np.random.default_rng(4)
    parts = [forest(60, seed) for seed in (0, 1)]
    X = [planted(heads, rotation(16), rng) for _, heads in parts]
    batches = (Sentences.of(parts[0][0], depth=True), Sentences.of(parts[1][0], depth=True))
    together = fit_projections(X[0], X[1], batches, ranks=(2, 12))
    for projection in together:
        alone, again = (fit_projections(X[0], X[1], batches, ranks=(projection.rank,))[0] for _ in range(2))
        assert alone.dev_loss == pytest.approx(projection.dev_loss, abs=0.05)
        np.testing.assert_array_equal(alone.B, again.B)
    (other,) = fit_projections(X[0], X[1], batches, ranks=(12,), seed=1)
    assert not np.allclose(other.B, together[1].B, atol=1e-3)


def test_distances_are_never_negative_and_depths_of_the_origin_are_zero() -> None:
    P = torch.randn(1, 6, 3, generator=torch.Generator().manual_seed(0)) * 1e-3 + 1e3
    assert (predict(P, depth=False) >= 0).all()
    assert predict(torch.zeros(1, 2, 3), depth=True).tolist() == [[0, 0]]


def test_the_names_of_tree_metrics() -> None:
    assert list(TREE_METRICS) == ["uuas", "dspr", "root_accuracy", "nspr"]
