"""Measures of similarity beside plain implementations from their papers, and scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes, subspace_angles
from scipy.spatial import procrustes
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from probekit.statistics.alike import compare_rows, deal
from probekit.statistics.similarity import MEASURES

Array = NDArray[np.float64]
N = 150


@pytest.fixture(scope="module", params=[0, 1, 2])
def sides(request: pytest.FixtureRequest) -> tuple[Array, Array]:
    """Spectra that fall as those of models do, a mean far from 0, float32."""
    rng = np.random.default_rng(request.param)
    x = (rng.normal(size=(N, 24)) * np.geomspace(30, 0.05, 24)) @ np.linalg.qr(rng.normal(size=(24, 24)))[0] + 5
    y = x @ rng.normal(size=(24, 18)) * 0.1 + rng.normal(size=(N, 18))
    return x.astype(np.float32).astype(np.float64), y.astype(np.float32).astype(np.float64)


def ours(name: str, x: Array, y: Array) -> float:
    value = compare_rows(MEASURES.members()[name], x, y, deal(np.arange(len(x))), draws=0).value
    assert value is not None
    return value


def hsic_1(k: Array, m: Array) -> float:
    """Song et al. 2012, equation 5."""
    n, ones = len(k), np.ones(len(k))
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    total = np.trace(k @ m) + (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
    return float(total - 2 / (n - 2) * (ones @ k @ m @ ones)) / (n * (n - 3))


def test_cka_is_hsic_1_of_whole_kernels(sides: tuple[Array, Array]) -> None:
    x, y = sides
    kernels = x @ x.T, y @ y.T
    own = hsic_1(kernels[0], kernels[0]) * hsic_1(kernels[1], kernels[1])
    assert ours("cka", x, y) == pytest.approx(hsic_1(*kernels) / np.sqrt(own), abs=1e-5)


def test_svcca_is_the_mean_cosine_of_the_angles_between_subspaces(sides: tuple[Array, Array]) -> None:
    kept = []
    for side in sides:
        left, singular, _ = np.linalg.svd(side - side.mean(0), full_matrices=False)
        count = int(np.argmax(np.cumsum(singular**2) / (singular**2).sum() >= 0.99)) + 1
        kept.append(left[:, :count] * singular[:count])
    assert ours("svcca", *sides) == pytest.approx(np.cos(subspace_angles(*kept)).mean(), abs=1e-5)


def test_pwcca_by_qr(sides: tuple[Array, Array]) -> None:
    for x, y in (sides, sides[::-1]):
        x = x - x.mean(0)
        (first, _), (second, _) = np.linalg.qr(x), np.linalg.qr(y - y.mean(0))
        left, rho, _ = np.linalg.svd(first.T @ second, full_matrices=False)
        alpha = np.abs((first @ left).T @ x).sum(axis=1)  # <h_i, x_j>, over j
        assert ours("pwcca", x, y) == pytest.approx((alpha * rho).sum() / alpha.sum(), abs=1e-5)


def test_procrustes_is_that_of_scipy(sides: tuple[Array, Array]) -> None:
    a, b = (side - side.mean(0) for side in sides)
    b = np.hstack([b, np.zeros((N, a.shape[1] - b.shape[1]))])  # of one width, as scipy wants both
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    turned = a @ orthogonal_procrustes(a, b)[0]
    found = ours("procrustes", *sides)
    assert found == pytest.approx(1 - np.linalg.norm(turned - b) ** 2 / 2, abs=1e-5)
    assert 1 - found**2 == pytest.approx(procrustes(a, b)[2], abs=1e-5)


def test_rsa_is_spearmans_of_condensed_cosines(sides: tuple[Array, Array]) -> None:
    x, y = (np.concatenate([side, side[:3]]) for side in sides)  # copies tie
    found = spearmanr(pdist(x - x.mean(0), "cosine"), pdist(y - y.mean(0), "cosine")).statistic
    assert ours("rsa", x, y) == pytest.approx(found, abs=1e-5)
