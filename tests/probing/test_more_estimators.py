"""Neighbours and the elastic net against scikit-learn, alone and as a layer's study."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from probekit.errors import UsageError
from probekit.probing.estimators import LayerMatrix, StudySettings, get_estimator
from probekit.probing.estimators.elastic_net import ElasticNetProbe
from probekit.probing.estimators.knn import NeighbourProbe, votes
from probekit.probing.problem import Problem


def blobs(n: int, d: int, k: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(k, size=n)
    X = rng.standard_normal((n, d)) + 5
    X[:, :k] += 2.5 * np.eye(k)[y]
    return X.astype(np.float32), y


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 7])
def test_neighbours_are_those_of_scikit_learn(metric: str, k: int) -> None:
    X, y = blobs(300, 12, 3)
    fresh, _ = blobs(1500, 12, 3, seed=1)
    mean = X.mean(axis=0)
    theirs = KNeighborsClassifier(k, metric=metric, algorithm="brute").fit(X - mean, y)
    expected = theirs.kneighbors(fresh - mean, return_distance=False)
    probe = NeighbourProbe(k, metric=metric).fit(X, y)
    found = probe.neighbours(fresh, k)
    assert (np.sort(found) == np.sort(expected)).all(axis=1).mean() > 0.995
    assert (probe.predict(fresh) == theirs.predict(fresh - mean)).mean() > 0.97  # ties fall differently


def test_of_equal_votes_the_nearer_class_wins() -> None:
    codes = np.array([[2, 0, 0, 2], [1, 2, 0, 0], [0, 1, 2, 3]])
    assert votes(codes, 4).argmax(axis=1).tolist() == [2, 0, 0]
    assert votes(codes[:, :1], 4).argmax(axis=1).tolist() == [2, 1, 0]


def objective(W: np.ndarray, b: np.ndarray, X: np.ndarray, y: np.ndarray, C: float, ratio: float) -> float:
    Z = X.astype(np.float64) @ W.T + b
    top = Z.max(axis=1)
    losses = np.log(np.exp(Z - top[:, None]).sum(axis=1)) + top - Z[np.arange(len(y)), y]
    return float(losses.mean() + (ratio * np.abs(W).sum() + (1 - ratio) / 2 * (W**2).sum()) / (C * len(y)))


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("n", "d"), [(400, 20), (80, 100)])
def test_the_sparse_optimum_is_that_of_scikit_learn(ratio: float, n: int, d: int) -> None:
    X, y = blobs(n, d, 3)
    X -= X.mean(axis=0)
    ours = ElasticNetProbe(C=0.3, l1_ratio=ratio, tol=1e-6).fit(X, y)
    theirs = LogisticRegression(C=0.3, l1_ratio=ratio, solver="saga", tol=1e-7, max_iter=20000).fit(X, y)
    best = objective(theirs.coef_, theirs.intercept_, X, y, 0.3, ratio)
    assert objective(ours.coef_, ours.intercept_, X, y, 0.3, ratio) <= best * (1 + 1e-4)
    if ratio == 1:
        assert (ours.coef_ == 0).mean() > 0.5
        assert ((ours.coef_ == 0) == (theirs.coef_ == 0)).mean() > 0.98


@pytest.mark.parametrize("name", ["knn", "elastic-net"])
def test_a_study_chooses_on_dev_and_shares_its_work_among_label_sets(name: str) -> None:
    X, y = blobs(900, 16, 3)
    other = np.random.default_rng(2).integers(3, size=900)
    parts = [Problem(label, codes[:600], codes[600:750], codes[750:], 3) for label, codes in (("a", y), ("b", other))]
    matrix = LayerMatrix(4, X[:600], X[600:750], X[750:])
    settings = StudySettings(np.arange(600), 0, "cpu")
    estimator = get_estimator(name)
    ((layer, (signal, noise)),) = estimator.study([matrix], parts, settings)
    assert layer == 4
    assert signal.test_score > 0.8
    assert noise.test_score < 0.5
    assert signal.dev_score == max(signal.dev_scores)
    assert signal.strength in signal.strengths
    assert signal.test_score == (signal.test_codes == y[750:]).mean()
    ((_, (alone,)),) = estimator.study([matrix], parts[:1], settings)
    np.testing.assert_array_equal(alone.test_codes, signal.test_codes)


def test_parameters_out_of_range_are_refused() -> None:
    X, y = blobs(50, 4, 2)
    for probe in (NeighbourProbe(0), NeighbourProbe(metric="city"), ElasticNetProbe(0), ElasticNetProbe(l1_ratio=2)):
        with pytest.raises(UsageError, match="must be"):
            probe.fit(X, y)
