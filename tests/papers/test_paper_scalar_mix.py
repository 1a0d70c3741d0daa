r"""The scalar mix of Peters et al. (2018) and the centre of gravity of Tenney et al. (2019), fitted apart by SciPy.

The objective is the one documented: mean cross-entropy of :math:`W (\gamma \sum_l s_l h_l) + b` with
:math:`s = \mathrm{softmax}(a)` and :math:`\gamma` such that the mix has unit size, plus
:math:`\lVert W \rVert^2 / 2Cn`. Peters et al. leave :math:`\gamma` free: their objective is fitted too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize

from probekit.probing.analyses._scalar_mix import fit_mix

LOUD = (0.3, 1.0, 0.6, 0.0)
"""How much each planted layer says of the label, beside noise of size 1."""
K, D, N = 3, 8, 800
Value = Callable[[np.ndarray], tuple[float, np.ndarray]]


def layers(loud: tuple[float, ...] = LOUD, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(K, size=N)
    centres = rng.standard_normal((K, D))
    X = np.array([each * centres[y] + rng.standard_normal((N, D)) for each in loud])
    X -= X.mean(axis=1, keepdims=True)
    return X / np.sqrt((X * X).mean(axis=(1, 2), keepdims=True)), y


def parts(theta: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return theta[:count], theta[count : count + K * D].reshape(K, D), theta[count + K * D : count + K * D + K]


def softmax(a: np.ndarray) -> np.ndarray:
    powers = np.exp(a - a.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def of_unit_size(X: np.ndarray, y: np.ndarray, penalty: float) -> Value:
    """The documented objective and its gradient, by hand."""
    gram = np.array([[(one * other).mean() for other in X] for one in X])

    def value(theta: np.ndarray) -> tuple[float, np.ndarray]:
        a, W, b = parts(theta, len(X))
        s = softmax(a)
        size = np.sqrt(s @ gram @ s)
        mixed = sum(weight * layer for weight, layer in zip(s / size, X, strict=True))
        p = softmax(mixed @ W.T + b)
        loss = -np.log(p[np.arange(len(y)), y]).mean() + penalty / 2 * (W * W).sum()
        p[np.arange(len(y)), y] -= 1
        p /= len(y)
        by_mixed = p @ W
        by_scaled = np.array([(by_mixed * layer).sum() for layer in X])  # of s / size
        by_s = by_scaled / size - (by_scaled @ s) / size**3 * (gram @ s)
        by_a = s * (by_s - s @ by_s)
        return float(loss), np.concatenate([by_a, (p.T @ mixed + penalty * W).ravel(), p.sum(axis=0)])

    return value


def of_free_size(X: np.ndarray, y: np.ndarray, penalty: float) -> Value:
    """Peters': the last number is the size, which nothing ties down."""

    def value(theta: np.ndarray) -> tuple[float, np.ndarray]:
        a, W, b = parts(theta, len(X))
        s, gamma = softmax(a), theta[-1]
        mixed = sum(weight * layer for weight, layer in zip(s, X, strict=True))
        p = softmax(gamma * mixed @ W.T + b)
        loss = -np.log(p[np.arange(len(y)), y]).mean() + penalty / 2 * (W * W).sum()
        p[np.arange(len(y)), y] -= 1
        p /= len(y)
        by_mixed = p @ W
        by_s = gamma * np.array([(by_mixed * layer).sum() for layer in X])
        by_a = s * (by_s - s @ by_s)
        by_W = gamma * p.T @ mixed + penalty * W
        return float(loss), np.concatenate([by_a, by_W.ravel(), p.sum(axis=0), [(by_mixed * mixed).sum()]])

    return value


def minimum(value: Value, count: int, *, gamma: bool = False) -> np.ndarray:
    start = np.zeros(count + K * D + K + gamma)
    if gamma:
        # Where all weights and the size are 0 the gradient is too.
        start[count : count + K * D] = 0.01 * np.random.default_rng(1).standard_normal(K * D)
        start[-1] = 1
    found = minimize(
        value,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-15, "gtol": 1e-9},
    )
    return np.asarray(found.x)


@pytest.mark.parametrize("objective", [of_unit_size, of_free_size])
def test_the_gradients_by_hand_are_those_of_differences(objective: Callable[..., Value]) -> None:
    X, y = layers()
    value = objective(X, y, 0.01)
    theta = np.random.default_rng(2).standard_normal(len(X) + K * D + K + (objective is of_free_size))
    assert check_grad(lambda t: value(t)[0], lambda t: value(t)[1], theta) < 1e-5


@pytest.mark.parametrize("C", [0.1, 1.0])
@pytest.mark.parametrize("loud", [LOUD, (0.0, 0.2, 0.5, 1.2)])
def test_weights_centre_and_loss_are_those_of_scipy(loud: tuple[float, ...], C: float) -> None:
    X, y = layers(loud)
    here = fit_mix(X.astype(np.float32), y, n_classes=K, C=C)
    value = of_unit_size(X, y, 1 / (C * N))
    there = minimum(value, len(X))
    s = softmax(there[: len(X)])
    np.testing.assert_allclose(here.weights, s, atol=5e-3)
    assert here.centre(range(len(X))) == pytest.approx(sum(i * weight for i, weight in enumerate(s)), abs=0.01)
    assert here.loss == pytest.approx(value(there)[0], rel=1e-4)
    at_equal_weights = minimum(of_unit_size(X.mean(axis=0, keepdims=True), y, 1 / (C * N)), 1)
    assert value(there)[0] < value(np.concatenate([np.zeros(len(X)), at_equal_weights[1:]]))[0] - 0.01


def test_a_free_size_undoes_the_penalty() -> None:
    """Why it is not free: the larger it is, the smaller the weights that do the same, and the less they cost."""
    X, y = layers()
    value = of_free_size(X, y, 0.1)
    theta = minimum(of_free_size(X, y, 0.0), len(X), gamma=True)
    costs = []
    for times in (1, 1e2, 1e4, 1e6):
        moved = theta.copy()
        moved[len(X) : len(X) + K * D] /= times
        moved[-1] *= times
        costs.append(value(moved)[0])
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == pytest.approx(of_free_size(X, y, 0.0)(theta)[0], abs=1e-4)


@pytest.mark.parametrize("loud", [LOUD, (0.0, 0.2, 0.5, 1.2), (1.2, 0.5, 0.2, 0.0)])
def test_a_free_size_ranks_the_layers_alike(loud: tuple[float, ...]) -> None:
    """Peters' mix, without the penalty that its size would undo, weighs layers in the same order: the planted one."""
    X, y = layers(loud)
    here = fit_mix(X.astype(np.float32), y, n_classes=K, C=1.0).weights
    theirs = softmax(minimum(of_free_size(X, y, 0.0), len(X), gamma=True)[: len(X)])
    informative = [i for i, each in enumerate(loud) if each >= 0.3]
    order = sorted(informative, key=lambda i: -loud[i])
    for weights in (here, theirs):
        assert sorted(informative, key=lambda i: -weights[i]) == order
        silent = [i for i in range(len(loud)) if i not in informative]
        assert weights[silent].max() < weights[informative].min() + 0.02
    centres = [float(weights @ np.arange(len(loud))) for weights in (here, theirs)]
    assert centres[0] == pytest.approx(centres[1], abs=0.25)
