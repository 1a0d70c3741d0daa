"""The linear probe finds scikit-learn's optimum, whatever the shape of the problem."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from probekit.errors import InputError, UsageError
from probekit.probing.estimators.logistic import LogisticProbe


def blobs(n: int, d: int, k: int, *, seed: int = 0, spread: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping classes on anisotropic axes; every class occurs."""
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(k), rng.integers(k, size=n - k)])
    X = rng.normal(size=(k, d))[y] + spread * rng.normal(size=(n, d))
    return X * np.geomspace(1, 0.05, d), y


def objective(coef: np.ndarray, intercept: np.ndarray, X: np.ndarray, y: np.ndarray, C: float) -> float:
    """Mean loss and penalty, written from the formula."""
    scores = X @ coef.T + intercept
    if scores.shape[1] == 1:
        scores = np.concatenate([np.zeros_like(scores), scores], 1)
    scores = scores - scores.max(1, keepdims=True)
    losses = np.log(np.exp(scores).sum(1)) - scores[np.arange(len(y)), y]
    return float(losses.mean() + (coef**2).sum() / (2 * C * len(y)))


def excess(probe: LogisticProbe, X: np.ndarray, y: np.ndarray, C: float) -> float:
    """Relative distance from the loss scikit-learn reaches; negative where the probe is lower."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        known = LogisticRegression(C=C, tol=1e-8, max_iter=5000).fit(X, y)
    there = objective(known.coef_, known.intercept_, X, y, C)
    return objective(probe.coef_, probe.intercept_, X, y, C) / there - 1


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("n", "d", "k", "C"),
    [
        (400, 16, 2, 1.0),
        (400, 16, 3, 0.01),
        (600, 64, 17, 0.1),
        (900, 64, 50, 10.0),
        (300, 768, 3, 0.1),
        (900, 768, 50, 0.01),
    ],
)
def test_the_optimum_is_that_of_scikit_learn(n: int, d: int, k: int, C: float, dtype: str) -> None:
    X, y = blobs(n, d, k)
    probe = LogisticProbe(C=C, dtype=dtype).fit(X, y)
    assert abs(excess(probe, X, y, C)) < 1e-4
    assert probe.coef_.shape == (1 if k == 2 else k, d)


def test_an_early_stop_is_not_the_optimum() -> None:
    X, y = blobs(600, 64, 17)
    with pytest.warns(ConvergenceWarning, match="Raise max_iter"):
        probe = LogisticProbe(C=0.1, max_iter=3).fit(X, y)
    assert excess(probe, X, y, 0.1) > 1e-3


def constant(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([X, np.full((len(X), 2), 7.0), np.zeros((len(X), 1))], 1), y


def few(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return X[:20], y[:20]


def twice(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(X, 3, axis=0), np.repeat(y, 3)


def shifted(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return X + np.where(np.arange(X.shape[1]) == 3, 50.0, 0.0), y


@pytest.mark.parametrize("change", [constant, few, twice, shifted])
@pytest.mark.parametrize("k", [2, 4])
def test_fault_21_awkward_vectors_have_the_same_optimum(change: object, k: int) -> None:
    X, y = change(*blobs(300, 32, k))  # type: ignore[operator]
    assert abs(excess(LogisticProbe(C=0.5).fit(X, y), X, y, 0.5)) < 1e-4


@pytest.mark.parametrize(
    ("n", "d", "k", "C", "decades"), [(200, 384, 10, 1e3, 0), (300, 200, 3, 1e3, 3), (100, 200, 2, 1e5, 0)]
)
def test_few_rows_and_a_weak_penalty_have_the_same_optimum(n: int, d: int, k: int, C: float, decades: int) -> None:
    # Separable: the loss is small, and the curvature where it ends far from that where it begins.
    draw = np.random.default_rng(1)
    X = draw.normal(size=(n, d)) * np.logspace(0, -decades, d)
    y = (X @ draw.normal(size=(d, k)) + 2 * draw.gumbel(size=(n, k))).argmax(1)
    assert excess(LogisticProbe(C=C).fit(X, y), X, y, C) < 1e-4


def test_fault_21_without_penalty_the_optimum_of_overlapping_classes_is_found() -> None:
    X, y = blobs(500, 8, 3)
    probe = LogisticProbe(C=np.inf).fit(X, y)
    assert abs(excess(probe, X, y, np.inf)) < 1e-4


def test_fault_21_without_penalty_separable_classes_stay_finite() -> None:
    X, y = blobs(30, 64, 3)
    probe = LogisticProbe(C=np.inf).fit(X, y)
    assert np.isfinite(probe.coef_).all()
    assert np.isfinite(probe.intercept_).all()
    assert probe.score(X, y) == 1.0


@pytest.mark.parametrize("C", [0, -1.0, np.nan, "1"])
def test_fault_21_a_strength_that_is_not_positive_is_refused(C: object) -> None:
    X, y = blobs(50, 4, 2)
    with pytest.raises(UsageError, match="'C' parameter of LogisticProbe must be a number in"):
        LogisticProbe(C=C).fit(X, y)  # type: ignore[arg-type]


def test_fault_19_one_class_is_nothing_to_learn() -> None:
    X, _ = blobs(50, 4, 2)
    with pytest.raises(InputError, match="nothing to learn"):
        LogisticProbe().fit(X, np.zeros(50))


def test_weights_are_replicated_rows() -> None:
    X, y = blobs(200, 12, 4)
    times = np.random.default_rng(1).integers(0, 4, size=200)
    times[:4] = 1
    weighted = LogisticProbe(C=0.3, tol=1e-9).fit(X, y, sample_weight=times)
    replicated = LogisticProbe(C=0.3, tol=1e-9).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    np.testing.assert_allclose(weighted.coef_, replicated.coef_, atol=1e-4)
    unweighted = LogisticProbe(C=0.3, tol=1e-9).fit(X, y)
    assert np.abs(weighted.coef_ - unweighted.coef_).max() > 1e-2


def test_a_weaker_penalty_fits_training_rows_better_with_larger_weights() -> None:
    X, y = blobs(300, 32, 5)
    fits = [LogisticProbe(C=C).fit(X, y) for C in (1e-3, 1e-2, 1e-1, 1.0, 10.0)]
    losses = [objective(fit.coef_, fit.intercept_, X, y, np.inf) for fit in fits]
    sizes = [np.linalg.norm(fit.coef_) for fit in fits]
    assert losses == sorted(losses, reverse=True)
    assert sizes == sorted(sizes)


def test_a_rotation_of_the_vectors_changes_no_prediction() -> None:
    X, y = blobs(300, 16, 4)
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(16, 16)))
    plain, turned = LogisticProbe(tol=1e-10).fit(X, y), LogisticProbe(tol=1e-10).fit(X @ turn, y)
    np.testing.assert_allclose(plain.predict_proba(X), turned.predict_proba(X @ turn), atol=1e-4)
