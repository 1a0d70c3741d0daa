"""LogME and the H-score against dense computations of their definitions, and what they say of planted layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.covariance import ledoit_wolf
from tiny_models import LAYERS, tiny_model

from probekit import ActivationCache, extract, probe
from probekit.errors import UsageError
from probekit.probing.analyses._spectrum import one_hot
from probekit.probing.analyses.h_score import h_score
from probekit.probing.analyses.logme import logme

SHAPES = [(40, 5), (12, 30)]
"""More rows than dimensions, and fewer."""


def drawn(n: int, d: int, *, apart: float = 1.0, classes: int = 3) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Vectors with a mean of their own a class, off the origin."""
    rng = np.random.default_rng(n)
    y = (np.arange(n) % classes).astype(np.int32)
    X = apart * rng.normal(size=(classes, d))[y] + rng.normal(size=(n, d)) + 0.5
    return X.astype(np.float32), y


def greatest_evidence(X: NDArray[np.float32], y: NDArray[np.float64]) -> float:
    """The log density of y under N(0, XX^T / alpha + I / beta), its precisions looked for from several places."""
    products = X.astype(np.float64) @ X.astype(np.float64).T

    def negated(logs: Sequence[float]) -> float:
        alpha, beta = np.exp(logs)
        covariance = products / alpha + np.eye(len(y)) / beta
        volume = np.linalg.slogdet(2 * np.pi * covariance)[1]
        return float(volume + y @ np.linalg.solve(covariance, y)) / 2

    exact = {"xatol": 1e-5, "fatol": 1e-9}
    ends = [
        minimize(negated, begin, method="Nelder-Mead", bounds=[(-15, 15)] * 2, options=exact)
        for begin in ((0.0, 1.0), (6.0, 1.0))
    ]
    return -min(float(end.fun) for end in ends)


@pytest.mark.parametrize("shape", SHAPES)
def test_logme_is_the_greatest_evidence_of_a_dense_gaussian(shape: tuple[int, int]) -> None:
    X, y = drawn(*shape)
    whole = [greatest_evidence(X, column) for column in one_hot(y).T]
    assert logme(X, one_hot(y)) == pytest.approx(np.mean(whole) / len(y), abs=1e-6)


def test_logme_of_numbers_too() -> None:
    X, _ = drawn(40, 5)
    y = X[:, 0] - 2 * X[:, 3] + np.random.default_rng(0).normal(size=40) + 3
    assert logme(X, y[:, None]) == pytest.approx(greatest_evidence(X, y) / 40, abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_h_score_is_that_of_the_shrunk_covariance(shape: tuple[int, int]) -> None:
    X, y = drawn(*shape)
    n = len(X)
    covariance, shrunk = ledoit_wolf(X.astype(np.float64))
    centred = X - X.mean(axis=0, dtype=np.float64)
    means = np.stack([centred[y == k].mean(axis=0) for k in range(3)])[y]
    wanted = (1 - shrunk) * np.trace(np.linalg.inv(covariance) @ (means.T @ means / n))
    assert 0 < shrunk < 1
    assert h_score(X, y) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_scale_of_the_vectors_changes_nothing(shape: tuple[int, int]) -> None:
    X, y = drawn(*shape)
    for scale in (1e-4, 1e4):
        scaled = (X * scale).astype(np.float32)
        assert logme(scaled, one_hot(y)) == pytest.approx(logme(X, one_hot(y)), abs=1e-5)
        assert h_score(scaled, y) == pytest.approx(h_score(X, y), rel=1e-5)


def test_a_class_that_no_row_has_does_not_count() -> None:
    X, y = drawn(40, 5, classes=2)
    gap = np.where(y == 1, 2, y).astype(np.int32)  # 0 and 2
    assert h_score(X, gap) == h_score(X, y)
    columns = np.stack([gap == k for k in range(3)], axis=1).astype(np.float64)
    assert logme(X, columns) == logme(X, one_hot(y)) == logme(X, one_hot(gap))


def test_vectors_that_say_nothing_have_a_score() -> None:
    _, y = drawn(40, 5)
    assert h_score(np.ones((40, 5), np.float32), y) == 0
    # Without weights the noise alone explains a column: p log likelihood of N(0, p).
    none = -0.5 * (np.log(2 * np.pi * one_hot(y).mean(axis=0)) + 1)
    assert logme(np.zeros((40, 5), np.float32), one_hot(y)) == pytest.approx(none.mean())


def test_the_layer_whose_classes_are_furthest_apart_ranks_first() -> None:
    layers = [drawn(200, 20, apart=apart) for apart in (0.0, 0.3, 2.0, 0.6)]
    for score in (h_score, lambda X, y: logme(X, one_hot(y))):
        assert np.argsort([score(X, y) for X, y in layers]).tolist() == [0, 1, 3, 2]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> ActivationCache:
    made = extract(tiny_model("bert"), "grammar:n=60", overflow="window", cache=tmp_path_factory.mktemp("root"))
    return ActivationCache.open(made.cache)


def test_every_layer_has_a_row_of_the_training_targets(opened: ActivationCache) -> None:
    report = probe("pos", on=opened, fast=True, also=("logme", "h-score"))
    for method, metric in (("logme", "log_evidence"), ("h_score", "h_score")):
        rows = report.select(method, split="train", metric=metric)
        assert [row.layer for row in rows] == [*range(LAYERS + 1)]
        assert {(row.role, row.n, row.unit, row.strength) for row in rows} == {
            ("companion", report.provenance["targets"]["train"], "sentence", None)
        }
    assert [note.partition(" of ")[0] for note in report.provenance["notes"][-2:]] == ["LogME", "H-score"]


def test_numbers_have_a_logme_and_no_h_score(opened: ActivationCache) -> None:
    report = probe("sentence-length", on=opened, fast=True, estimator="ridge", also="logme")
    assert len(report.select("logme", split="train")) == LAYERS + 1
    with pytest.raises(UsageError, match="`--also h-score` reads labels"):
        probe("sentence-length", on=opened, fast=True, estimator="ridge", also="h-score")


def test_a_report_says_what_its_parts_took_and_only_that_differs(opened: ActivationCache, tmp_path: Path) -> None:
    first, again = (probe("pos", on=opened, fast=True, layers=[1], also="logme") for _ in range(2))
    assert list(first.seconds) == ["study", "logme"]
    assert all(spent > 0 for spent in first.seconds.values())
    assert first.rows == again.rows
    told = [{name: value for name, value in one.provenance.items() if name != "seconds"} for one in (first, again)]
    assert told[0] == told[1]
