r"""The learned mix on real layers, written from Peters et al. (2018) and Tenney et al. (2019), fitted by SciPy.

The objective is the one documented: mean cross-entropy of :math:`W (\gamma \sum_l s_l h_l) + b` with
:math:`s = \mathrm{softmax}(a)` and :math:`\gamma` such that the mix has unit size, plus
:math:`\lVert W \rVert^2 / 2Cn`.
"""

from __future__ import annotations

import numpy as np
import small
import torch
from scipy.optimize import minimize

from probekit.probing.analyses._scalar_mix import fit_mix, without_each_fold

ROWS, C = 500, 0.1


def layers_of(part: small.Part) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The three layers of some training words at unit size, their parts of speech, and their sentences."""
    found = []
    for layer in small.LAYERS:
        X = np.vstack(part.vectors(layer)["train"])[:ROWS]
        X = X - X.mean(axis=0)
        found.append(X / np.sqrt((X * X).mean()))
    tags = [tag for sentence in part.sentences["train"] for tag in sentence.upos][:ROWS]
    home = np.repeat(np.arange(len(part.sentences["train"])), [len(s) for s in part.sentences["train"]])[:ROWS]
    names = sorted(set(tags))
    return np.array(found), np.array([names.index(tag) for tag in tags]), home


def plain(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and loss where SciPy ends, from equal weights."""
    L, n, d = X.shape
    K = int(y.max()) + 1
    V, labels = torch.from_numpy(X), torch.from_numpy(y)

    def value(theta: np.ndarray) -> tuple[float, np.ndarray]:
        t = torch.from_numpy(theta).requires_grad_()
        s, W, b = torch.softmax(t[:L], 0), t[L : L + K * d].view(K, d), t[L + K * d :]
        mixed = sum(s[layer] * V[layer] for layer in range(L))
        mixed = mixed / (mixed**2).mean().sqrt()
        chances = (mixed @ W.T + b).log_softmax(1)
        loss = -chances[torch.arange(n), labels].mean() + (W**2).sum() / (2 * C * n)
        (gradient,) = torch.autograd.grad(loss, t)
        return float(loss.detach()), gradient.numpy()

    options = {"maxiter": 1500, "maxfun": 1500, "ftol": 1e-11, "gtol": 1e-7}
    end = minimize(value, np.zeros(L + K * d + K), jac=True, method="L-BFGS-B", options=options)
    powers = np.exp(end.x[:L] - end.x[:L].max())
    return powers / powers.sum(), float(end.fun)


def test_weights_centre_and_loss_are_those_of_scipy(part: small.Part) -> None:
    X, y, _ = layers_of(part)
    here = fit_mix(X.astype(np.float32), y, n_classes=int(y.max()) + 1, C=C)
    weights, loss = plain(X, y)
    assert abs(here.loss / loss - 1) < 5e-3
    assert abs(here.centre(small.LAYERS) - weights @ small.LAYERS) < 0.05


def test_a_refit_from_the_whole_ends_where_one_from_equal_weights_does(part: small.Part) -> None:
    """Else the jackknife's interval is that of few steps, and too narrow."""
    X, y, home = layers_of(part)
    vectors, K = X.astype(np.float32), int(y.max()) + 1
    whole = fit_mix(vectors, y, n_classes=K, C=C)
    warm, cold = [], []
    for kept in list(without_each_fold(home, 10, 0))[:3]:
        counts = np.bincount(kept, minlength=len(y)).astype(float)
        warm.append(fit_mix(vectors, y, n_classes=K, C=C, rows=counts, start=whole, iterations=40).centre(small.LAYERS))
        cold.append(fit_mix(vectors, y, n_classes=K, C=C, rows=counts).centre(small.LAYERS))
    apart = np.std(cold, ddof=1)
    assert np.abs(np.subtract(warm, cold)).max() < 0.25 * apart
