"""Debiased CKA from sums over rows: the formula over whole kernels, known values."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from probekit.statistics.alike import added
from probekit.statistics.cross_sums import CrossSums

Array = NDArray[np.float64]


def by_kernels(x: Array, y: Array) -> float:
    """The estimate of Song et al. 2012 with the kernels written out."""
    n, ones = len(x), np.ones(len(x))
    kernels = [x @ x.T, y @ y.T]
    for kernel in kernels:
        np.fill_diagonal(kernel, 0)

    def hsic(k: Array, m: Array) -> float:
        sums = (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
        return float(np.trace(k @ m) + sums - 2 / (n - 2) * (ones @ k @ m @ ones))

    k, m = kernels
    return hsic(k, m) / float(np.sqrt(hsic(k, k) * hsic(m, m)))


def drawn(n: int, *, width: int = 12, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, width)) * np.linspace(0.3, 2, width) + 3
    return x, x @ rng.normal(size=(width, 5)) + rng.normal(size=(n, 5)) - 1


def test_sums_give_what_kernels_give_in_any_blocks() -> None:
    x, y = drawn(60)
    expected = by_kernels(x, y)
    assert CrossSums.of(x, y).cka() == pytest.approx(expected, abs=1e-10)
    assert CrossSums.of(x - x.mean(0), y + 7).cka() == pytest.approx(expected, abs=1e-9)
    parts = [CrossSums.of(x[start::7], y[start::7]) for start in range(7)]
    assert added(parts).cka() == pytest.approx(expected, abs=1e-10)


def test_a_rotation_and_a_scaling_is_the_same_and_what_is_unrelated_is_nothing() -> None:
    x, _ = drawn(500)
    turned = np.linalg.qr(np.random.default_rng(1).normal(size=(12, 12)))[0]
    assert CrossSums.of(x, 3 * x @ turned).cka() == pytest.approx(1)
    values = [CrossSums.of(x, np.random.default_rng(seed).normal(size=(500, 30))).cka() for seed in range(2, 40)]
    assert abs(np.mean(values)) < 0.004  # the biased estimate is at 0.1 here
    assert np.std(values) < 0.02


def test_too_few_rows_are_refused_and_a_constant_has_none() -> None:
    with pytest.raises(ValueError, match="at least 4 rows; got 3"):
        CrossSums.of(np.eye(3), np.eye(3)).cka()
    assert np.isnan(CrossSums.of(np.zeros((6, 2)), np.eye(6)).cka())
