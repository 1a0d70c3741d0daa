"""The strength is chosen between fits at their optimum, and no strength is given up that would have won."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from probekit.probing.problem import Problem, Standardiser
from probekit.probing.solvers import strengths as study
from probekit.probing.solvers.strengths import STRENGTHS, Grid, Vectors, fit_layer, fit_vectors

D, K, TOLD = 96, 9, 12
CUTS = (700, 2690)


def layer(seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Vectors of which an eighth tells the labels and the rest invites to learn by heart, in axes of many sizes."""
    rng = np.random.default_rng(seed)
    y = rng.choice(K, size=2700, p=np.arange(1, K + 1) / (K * (K + 1) / 2))
    means = rng.normal(size=(K, D)) * (np.arange(D) < TOLD)
    X = (rng.normal(size=(2700, D)) + 0.5 * means[y]) * np.logspace(0, -0.5, D)
    return np.split(X.astype(np.float32), CUTS), np.split(y, CUTS)


def best_of_scikit_learn(parts: list[np.ndarray], codes: list[np.ndarray]) -> float:
    """Best dev accuracy of any strength of the grid, each at its optimum."""
    standardiser = Standardiser.fit(parts[0])
    train, dev = (standardiser.transform(part).astype(np.float64) for part in parts[:2])
    known = [LogisticRegression(C=C, tol=1e-6, solver="newton-cholesky").fit(train, codes[0]) for C in STRENGTHS]
    return max(fit.score(dev, codes[1]) for fit in known)


def test_the_chosen_strength_is_the_best_of_all_at_their_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many rows too, where not all are taken there; unfinished weak fits looked better than they end."""
    monkeypatch.setattr(study, "FEW_ROWS", 500)
    parts, codes = layer(0)
    (found,) = fit_layer(parts[0], parts[1], X_test=parts[2], problems=[Problem("task", *codes, K)])
    assert np.isnan(found.dev_scores[-1])
    assert found.dev_score >= best_of_scikit_learn(parts, codes) - 0.002


def test_the_grid_is_finer_beside_the_best_and_its_numbers_are_short() -> None:
    assert Grid((0.001, 0.01, 0.1), whole=False).finer == [0.001, 0.00215, 0.00464, 0.01, 0.0215, 0.0464, 0.1]
    assert Grid((0.5,), whole=False).finer == [0.5]
    parts, codes = layer(1)
    (found,) = fit_layer(parts[0], parts[1], X_test=parts[2], problems=[Problem("task", *codes, K)])
    tried = dict(zip(found.strengths, found.dev_scores, strict=True))
    grid = Grid(STRENGTHS, whole=True).finer
    at = grid.index(found.strength)
    assert all(tried[C] <= found.dev_score for C in grid[at - 1 : at + 2])
    assert found.dev_score == np.nanmax(found.dev_scores)


def test_a_whole_curve_holds_what_every_strength_predicts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "FEW_ROWS", 500)
    parts, codes = layer(2)
    (found,) = fit_vectors(Vectors.standardise(*parts), [Problem("task", *codes, K)], whole=True)
    assert set(STRENGTHS) <= set(found.curve) == set(found.strengths)
    for C, score in zip(found.strengths, found.dev_scores, strict=True):
        assert (found.curve[C][0] == codes[1]).mean() == pytest.approx(score)
    np.testing.assert_array_equal(found.curve[found.strength][1], found.test_codes)
