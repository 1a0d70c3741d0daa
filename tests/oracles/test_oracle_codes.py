r"""Code lengths of real labels, written from Voita & Titov (2020): online block by block, variational by its bound.

The variational code is the negative evidence bound of a linear probe whose weights have group scales
:math:`z_j` under :math:`p(z) \propto 1 / |z|` [1]_; here each step draws scales and logits in its own loop, in
float64, and takes many steps over all rows.

References
----------
.. [1] Louizos, Ullrich & Welling 2017, Bayesian compression for deep learning.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import small
import torch
from sklearn.linear_model import LogisticRegression

from probekit.probing.analyses.code_length.online import online_codes
from probekit.probing.analyses.code_length.variational import variational_codes
from probekit.probing.problem import Problem

LAYER = 3


def rows_of(part: small.Part, rows: int, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Some training words on the axes along which they vary most, at unit size, and their parts of speech."""
    X = np.vstack(part.vectors(LAYER)["train"])[:rows]
    tags = [tag for sentence in part.sentences["train"] for tag in sentence.upos][:rows]
    X = X - X.mean(axis=0)
    X = X @ np.linalg.svd(X, full_matrices=False)[2][:dimensions].T
    names = sorted(set(tags))
    return (X / math.sqrt((X * X).mean())).astype(np.float32), np.array([names.index(tag) for tag in tags])


def problem(name: str, y: np.ndarray) -> Problem:
    return Problem(name, y, y[:0], y[:0], int(y.max()) + 1)


def online(X: np.ndarray, y: np.ndarray, C: float) -> float:
    """Bits of sending labels in blocks that end where the paper's do; each fit has every class once at the mean."""
    n, K = len(y), int(y.max()) + 1
    ends = sorted({max(1, round(n * share / 100)) for share in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.25, 12.5, 25, 50, 100)})
    bits = ends[0] * math.log2(K)
    for known, stop in pairwise(ends):
        fit = LogisticRegression(C=C, tol=1e-5, max_iter=5000).fit(
            np.vstack([np.zeros((K, X.shape[1])), X[:known]]), np.append(np.arange(K), y[:known])
        )
        chances = fit.predict_proba(X[known:stop])
        bits -= np.log2(chances[np.arange(stop - known), y[known:stop]]).sum()
    return float(bits)


# The first blocks hold hardly more rows than classes.
@pytest.mark.filterwarnings("ignore:The number of unique classes")
def test_online_bits_are_those_of_plain_fits(part: small.Part) -> None:
    X, y = rows_of(part, 700, 40)
    here = [online_codes(X, [problem("pos", y)], strengths=[0.1], seed=seed)[0].bits for seed in range(4)]
    there = []
    for seed in (10, 11):
        order = np.random.default_rng(seed).permutation(len(y))
        there.append(online(X[order], y[order], 0.1))
    assert abs(np.mean(here) / np.mean(there) - 1) < 0.03


def bound(X: np.ndarray, y: np.ndarray, steps: int) -> float:
    """The least bound found, in bits."""
    torch.manual_seed(0)
    rows, labels, K = torch.from_numpy(X).double(), torch.from_numpy(y), int(y.max()) + 1
    d = rows.shape[1]
    mu_z, log_z = torch.ones(d, dtype=torch.float64), torch.full((d,), -3.0, dtype=torch.float64)
    mu_w, log_w = 0.01 * torch.randn(d, K, dtype=torch.float64), torch.full((d, K), -2.0, dtype=torch.float64)
    mu_b, log_b = torch.zeros(K, dtype=torch.float64), torch.full((K,), -2.0, dtype=torch.float64)
    parts = [part.requires_grad_() for part in (mu_z, log_z, mu_w, log_w, mu_b, log_b)]

    def divergence() -> torch.Tensor:
        alpha = log_z - torch.log(mu_z**2 + 1e-8)
        k1, k2, k3 = 0.63576, 1.87320, 1.48695
        scales = (k1 - k1 * torch.sigmoid(k2 + k3 * alpha) + 0.5 * torch.log1p(torch.exp(-alpha))).sum()
        weights = sum((0.5 * (s.exp() + m**2 - 1 - s)).sum() for m, s in ((mu_w, log_w), (mu_b, log_b)))
        return scales + weights

    def cost() -> torch.Tensor:
        z = mu_z + torch.exp(log_z / 2) * torch.randn(len(y), d, dtype=torch.float64)
        mean, variance = (rows * z) @ mu_w + mu_b, (rows * z) ** 2 @ log_w.exp() + log_b.exp()
        logits = mean + variance.sqrt() * torch.randn(len(y), K, dtype=torch.float64)
        return -logits.log_softmax(1)[torch.arange(len(y)), labels].sum()

    optimiser = torch.optim.Adam(parts, lr=0.1)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 0.1 * (1 - step / steps)
        optimiser.zero_grad()
        (cost() + divergence()).backward()
        optimiser.step()
    with torch.no_grad():
        nats = divergence() + torch.stack([cost() for _ in range(8)]).mean()
    return float(nats) / math.log(2)


def test_variational_bits_are_those_of_many_plain_steps(part: small.Part) -> None:
    """A bound that has not settled is above; that of arbitrary labels is held to the same."""
    X, y = rows_of(part, 500, 16)
    drawn = np.random.default_rng(0).permutation(y)
    for code, plain in zip(
        variational_codes(X, [problem("pos", y), problem("arbitrary", drawn)]),
        (bound(X, labels, 700) for labels in (y, drawn)),
        strict=True,
    ):
        assert code.converged
        assert abs(code.bits / plain - 1) < 0.03, (code.name, code.bits, plain)
