"""The online code is what the formula says, computed a second way; it tells task from control."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from probekit.errors import InputError, UsageError
from probekit.probing.analyses.code_length import blocks as sending
from probekit.probing.analyses.code_length.online import FRACTIONS, OnlineCode, blocks, online_codes
from probekit.probing.problem import Problem
from probekit.probing.solvers.lbfgs import Minimum
from probekit.probing.solvers.objective import Objective


def planted(n: int, k: int, d: int = 12, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes around centres; sentences of 1 to 9 rows."""
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(k), rng.choice(k, size=n - k, p=np.arange(1, k + 1) / (k * (k + 1) / 2))])
    rng.shuffle(y)
    X = (2 * rng.normal(size=(k, d))[y] + 1.5 * rng.normal(size=(n, d)) + 3).astype(np.float32)
    groups = np.repeat(np.arange(n), rng.integers(1, 10, size=n))[:n]
    return X, y, groups


def problem(y: np.ndarray, k: int, name: str = "task") -> Problem:
    return Problem(name, y, y[:0], y[:0], k)


def plain_bits(X: np.ndarray, y: np.ndarray, k: int, C: float, *, order: np.ndarray, stops: list[int]) -> list[float]:
    """The code from the paper's formula, one scikit-learn fit a block in float64."""
    X = X.astype(np.float64)
    X = X - X.mean(0)
    X = (X / np.sqrt((X**2).mean()))[order]
    y = y[order]
    bits = [stops[0] * math.log2(k)]
    for seen, stop in pairwise(stops):
        rows, labels = np.concatenate([np.zeros((k, X.shape[1])), X[:seen]]), np.concatenate([np.arange(k), y[:seen]])
        fitted = LogisticRegression(C=C, tol=1e-10, max_iter=10_000).fit(rows, labels)
        chances = fitted.predict_proba(X[seen:stop])[np.arange(stop - seen), y[seen:stop]]
        bits.append(float(-np.log2(chances).sum()))
    return bits


@pytest.mark.parametrize(("k", "C"), [(2, 1.0), (3, 0.1), (7, 1.0)])
def test_the_code_is_that_of_plain_fits(k: int, C: float) -> None:
    X, y, groups = planted(900, k)
    (code,) = online_codes(X, [problem(y, k)], strengths=[C], groups=groups, seed=3)
    order, stops = blocks(900, groups, seed=3)
    known = plain_bits(X, y, k, C, order=order, stops=stops)
    assert code.converged
    assert list(code.stops) == stops
    np.testing.assert_allclose(code.block_bits, known, rtol=5e-3, atol=0.05)
    assert code.bits == pytest.approx(sum(known), rel=2e-3)
    assert code.compression == pytest.approx(900 * math.log2(k) / sum(known), rel=2e-3)


def test_problems_sent_together_cost_what_they_cost_alone() -> None:
    X, y, groups = planted(600, 5)
    other = np.random.default_rng(1).integers(5, size=600)
    asked = [problem(y, 5), problem(other, 5, "control"), problem(y % 2, 2, "binary")]
    together = online_codes(X, asked, groups=groups)
    for one, code in zip(asked, together, strict=True):
        (alone,) = online_codes(X, [one], groups=groups)
        assert (code.name, code.strength, code.stops) == (alone.name, alone.strength, alone.stops)
        assert code.bits == pytest.approx(alone.bits, rel=2e-3)


def test_labels_in_the_vectors_compress_and_shuffled_labels_do_not() -> None:
    X, y, groups = planted(1500, 4)
    shuffled = np.random.default_rng(0).integers(4, size=1500)
    task, noise = online_codes(X, [problem(y, 4), problem(shuffled, 4, "noise")], groups=groups)
    assert task.compression > 1.8
    assert 0.9 < noise.compression < 1.01


def test_the_first_block_is_uniform() -> None:
    X, y, groups = planted(900, 3)
    (code,) = online_codes(X, [problem(y, 3)], groups=groups)
    assert code.block_bits[0] == pytest.approx(code.stops[0] * math.log2(3))


def test_the_strength_of_the_shortest_code_is_taken_and_naming_it_is_paid_for() -> None:
    X, y, groups = planted(900, 3)
    grid = [0.001, 0.1, 10.0, 1000.0]
    (chosen,) = online_codes(X, [problem(y, 3)], strengths=grid, groups=groups)
    alone = {C: online_codes(X, [problem(y, 3)], strengths=[C], groups=groups)[0].bits for C in grid}
    assert chosen.strength == min(alone, key=alone.__getitem__)
    assert chosen.bits == pytest.approx(min(alone.values()) + 2.0, rel=2e-3)
    assert not chosen.at_edge
    (short,) = online_codes(X, [problem(y, 3)], strengths=[1000.0, 3000.0], groups=groups)
    assert short.at_edge


def test_a_class_that_comes_late_costs_finitely_many_bits() -> None:
    X, y, _ = planted(400, 3)
    order, stops = blocks(400, None, seed=0)
    y = np.where(y == 2, 0, y)
    y[order[-1]] = 2
    (code,) = online_codes(X, [problem(y, 3)], strengths=[1.0])
    assert math.isfinite(code.bits)
    known = plain_bits(X, y, 3, 1.0, order=order, stops=stops)
    assert code.block_bits[-1] == pytest.approx(known[-1], rel=1e-2)


def test_blocks_are_whole_sentences_near_the_fractions() -> None:
    _, _, groups = planted(20_000, 3)
    order, stops = blocks(20_000, groups, seed=0)
    assert sorted(order) == list(range(20_000))
    sent = groups[order]
    assert all(sent[stop - 1] != sent[stop] for stop in stops[:-1])
    assert len(stops) == len(FRACTIONS)
    np.testing.assert_allclose(stops, np.array(FRACTIONS) * 20_000, atol=5)
    again, _ = blocks(20_000, groups, seed=0)
    other, _ = blocks(20_000, groups, seed=1)
    assert (order == again).all()
    assert (order != other).any()


def test_few_rows_make_few_blocks() -> None:
    _, stops = blocks(10, np.repeat([0, 1, 2], [4, 3, 3]), seed=0)
    assert stops[-1] == 10
    assert stops == sorted(set(stops))
    assert set(stops) <= set(np.cumsum([4, 3, 3])) | {3, 6, 7}


def test_what_is_no_code_is_refused() -> None:
    X, y, _ = planted(50, 2)
    asked = [problem(y, 2)]
    with pytest.raises(UsageError, match="increasing numbers above 0"):
        online_codes(X, asked, strengths=[0.0])
    with pytest.raises(UsageError, match="must ascend from above 0 to 1"):
        online_codes(X, asked, strengths=[1.0], fractions=(0.5, 0.2, 1.0))
    with pytest.raises(UsageError, match="take no weights"):
        online_codes(X, [Problem("task", y, y[:0], y[:0], 2, np.ones(50))], strengths=[1.0])
    with pytest.raises(InputError, match="fewer than two classes"):
        online_codes(X, [problem(np.zeros_like(y), 1)])
    with pytest.raises(InputError, match="no training rows"):
        online_codes(X[:0], [problem(y[:0], 2)])


def test_one_block_chooses_no_strength() -> None:
    X, y, _ = planted(6, 2)
    (code,) = online_codes(X, [problem(y, 2)], groups=np.zeros(6, np.int64))
    assert (code.stops, code.bits) == ((6,), 6 + code.choice_bits)
    assert not code.at_edge


def test_bits_and_compression_follow_from_the_blocks() -> None:
    code = OnlineCode("task", 100, 4, (10, 100), (20.0, 30.0), 0.0, 1.0, False, 0, True)
    assert (code.bits, code.uniform_bits, code.compression) == (50.0, 200.0, 4.0)


def raced_strengths() -> tuple[np.ndarray, list[Problem], np.ndarray, list[float]]:
    """Vectors, a task and noise, sentences, and strengths of which some are hopeless."""
    X, y, groups = planted(12_000, 4)
    shuffled = np.random.default_rng(0).integers(4, size=12_000)
    return X, [problem(y, 4), problem(shuffled, 4, "noise")], groups, [1e-4, 1e-2, 1.0, 100.0, 1e4]


def test_strengths_that_are_given_up_would_not_have_won() -> None:
    X, asked, groups, grid = raced_strengths()
    raced = online_codes(X, asked, strengths=grid, groups=groups)
    alone = [online_codes(X, asked, strengths=[C], groups=groups) for C in grid]
    for i, code in enumerate(raced):
        bits = [codes[i].bits for codes in alone]
        assert code.strength == grid[int(np.argmin(bits))]
        assert code.bits == pytest.approx(min(bits) + code.choice_bits, rel=1e-3)


def test_a_weak_penalty_that_errs_at_first_may_win() -> None:
    """A rule without noise: while rows are few beside dimensions, the weak penalty is sure of its errors."""
    X = np.random.default_rng(5).normal(size=(10_500, 250)).astype(np.float32)
    asked = [problem((X[:, 0] > 0).astype(np.int32), 2)]
    grid = [1e-3, 1e-1, 1.0]
    (raced,) = online_codes(X, asked, strengths=grid)
    alone = [online_codes(X, asked, strengths=[C])[0] for C in grid]
    strong, weak = (np.cumsum(code.block_bits) for code in alone[1:])
    assert weak[7] > 1.1 * strong[7]
    assert weak[-1] < 0.95 * strong[-1]
    assert raced.strength == 1.0
    assert raced.bits == pytest.approx(alone[2].bits + raced.choice_bits, rel=1e-3)


def test_cheap_labels_are_priced_as_exactly_as_dear_ones() -> None:
    """Directions of little variance hide from the estimate of what a fit misses."""
    rng = np.random.default_rng(3)
    X = (rng.normal(size=(10_500, 200)) * np.arange(1, 201.0) ** -2.5).astype(np.float32)
    y = (X @ rng.normal(size=200) > 0).astype(np.int32)
    (code,) = online_codes(X, [problem(y, 2)], strengths=[10.0])
    order, stops = blocks(len(X), None, seed=0)
    assert code.bits == pytest.approx(sum(plain_bits(X, y, 2, 10.0, order=order, stops=stops)), rel=0.01)
    assert code.bits < 0.02 * code.uniform_bits


def test_strengths_that_fell_behind_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    X, asked, groups, grid = raced_strengths()
    fitted: list[int] = []
    minimise = sending.minimise

    def counted(objective: Objective, u: Tensor, *args: Any, **more: Any) -> Minimum:
        fitted.append(len(u))
        return minimise(objective, u, *args, **more)

    monkeypatch.setattr(sending, "minimise", counted)
    online_codes(X, asked, strengths=grid, groups=groups)
    assert fitted[0] == 2 * len(grid)
    assert fitted[-1] < fitted[0]
    assert fitted == sorted(fitted, reverse=True)


def test_a_layer_in_a_file_costs_what_one_in_memory_costs(tmp_path: Path) -> None:
    X, y, groups = planted(3000, 3)
    on_disk = np.memmap(tmp_path / "layer", np.float32, "w+", shape=X.shape)
    on_disk[:] = X
    asked = [problem(y, 3), problem(y % 2, 2, "binary")]
    assert online_codes(on_disk, asked, groups=groups) == online_codes(X, asked, groups=groups)
    np.testing.assert_array_equal(on_disk, X)
