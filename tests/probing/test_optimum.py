"""At the default tolerance every fit of a study is where it says it is, and the choice is made there."""

from __future__ import annotations

import numpy as np
import pytest

from probekit.probing.estimators.logistic import LogisticProbe
from probekit.probing.problem import Problem, Standardiser
from probekit.probing.solvers import strengths as study
from probekit.probing.solvers.strengths import fit_layer

N, D, K = 2400, 96, 9
CUTS = (1600, 2000)


def layer(seed: int, *, sure: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Vectors whose axes differ in size by a thousand, as those of language models do, and labels they tell."""
    rng = np.random.default_rng(seed)
    y = rng.choice(K, size=N, p=np.arange(1, K + 1) / (K * (K + 1) / 2))
    sizes = np.logspace(0, -1.5, D)
    X = (rng.normal(size=(N, D)) + sure * rng.normal(size=(K, D))[y]) * sizes
    return np.split(X.astype(np.float32), CUTS), np.split(y, CUTS)


def objective(X: np.ndarray, y: np.ndarray, W: np.ndarray, b: np.ndarray, C: float) -> float:
    Z = X.astype(np.float64) @ W.T + b
    Z -= Z.max(axis=1, keepdims=True)
    losses = np.log(np.exp(Z).sum(axis=1)) - Z[np.arange(len(y)), y]
    return float(losses.mean() + np.square(W).sum() / (2 * C * len(y)))


@pytest.mark.parametrize("few", [True, False])
@pytest.mark.parametrize("sure", [0.0, 0.3, 1.0])
def test_the_loss_reached_is_within_the_tolerance_of_the_optimum(
    sure: float, few: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "FEW_ROWS", 10_000 if few else 500)
    (train, dev, test), codes = layer(0, sure=sure)
    shuffled = [np.random.default_rng(1).permutation(part) for part in codes]
    problems = [Problem("task", *codes, K), Problem("control", *shuffled, K)]
    standardiser = Standardiser.fit(train)
    X = standardiser.transform(train)
    for problem, result in zip(problems, fit_layer(train, dev, X_test=test, problems=problems), strict=True):
        assert result.converged
        W = result.coef.astype(np.float64) * standardiser.rms
        b = result.intercept + result.coef.astype(np.float64) @ standardiser.mean.astype(np.float64)
        best = LogisticProbe(C=result.strength, tol=1e-8, dtype="float64", max_iter=20_000).fit(
            X.astype(np.float64), problem.y_train
        )
        lowest = objective(X, problem.y_train, best.coef_, best.intercept_, result.strength)
        reached = objective(X, problem.y_train, W, b, result.strength)
        assert lowest - 1e-6 <= reached <= lowest * (1 + (3e-4 if few else study.TOL))


def test_no_strength_was_seen_to_do_better_on_dev_than_the_chosen_one() -> None:
    for seed in range(4):
        (train, dev, test), codes = layer(seed, sure=0.3)
        shuffled = [np.random.default_rng(seed).permutation(part) for part in codes]
        problems = [Problem("task", *codes, K), Problem("control", *shuffled, K)]
        for result in fit_layer(train, dev, X_test=test, problems=problems):
            assert result.dev_score >= np.nanmax(result.dev_scores)
