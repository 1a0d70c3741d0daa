r"""A learned mix of all layers under one linear probe, and its centre of gravity.

Enters: the vectors of every layer for the same rows, and labels. Leaves: the weights of the layers and the
classifier. The mix is :math:`\gamma \sum_l s_l h_l` with :math:`s = \mathrm{softmax}(a)` [1]_, trained together with a
multinomial logistic classifier whose weights are penalised; the centre of gravity is :math:`\sum_l l \, s_l`
[2]_. Surprise: :math:`\gamma` is not free but keeps the mix at unit size. A free one would undo the penalty, and
with none the penalty would favour a single layer, since a mean of layers is shorter than each. Layers are
centred and scaled by one number first, so that a weight means the same in every one. The weights of the layers move
slowly while the classifier catches up, so descent is in coordinates in which the classifier's curvature is about one.
What is said of the layers (a weight each, the centre of gravity) has the interval of a jackknife over refits that leave
out a part of the training sentences: unlike those of scores it speaks of other training data.

References
----------
.. [1] Peters et al. 2018, Deep contextualized word representations.
.. [2] Tenney, Das & Pavlick 2019, BERT rediscovers the classical NLP pipeline.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import t as student
from torch import Tensor

from probekit.report import Measurement
from probekit.sites import split_layer
from probekit.statistics.bootstrap import LEVEL, FloatArray

ITERATIONS, MEMORY = 400, 30
"""Steps of L-BFGS at most, and how many of them it remembers."""
TOLERANCE = 2e-7
"""A fit ends when a step lowers the loss (nats a row) by less than this."""
FOLDS, STEPS = 20, 40
"""Parts of the training sentences, each left out once; steps of a refit that starts from the whole. On 10,000 rows of
EWT the centre is then within 0.002 of a refit from equal weights taken 200 steps."""
CURVATURE, NUMBERS_CURVATURE, LAYER_STEP = 0.2, 2.0, 3.0
"""Second derivative of a row's loss by its score, about: of cross-entropy, of a squared error. How far the logits of
the layers' weights move for a unit step. They only steer the descent, which ends at the same place."""


@dataclass(frozen=True, slots=True)
class Mix:
    """A fitted mix.

    Attributes
    ----------
    weights : float64 array [layers]
        Positive, sum 1.
    scale : float
        Gives the mix unit size.
    coef : float32 array [classes, d]
        Acts on the mix of the standardised layers.
    intercept : float32 array [classes]
    loss : float
        Penalised mean loss, in nats.
    """

    weights: NDArray[np.float64]
    scale: float
    coef: NDArray[np.float32]
    intercept: NDArray[np.float32]
    loss: float

    def centre(self, depths: Sequence[int]) -> float:
        """Return the centre of gravity of layers of these depths."""
        return float(self.weights @ np.asarray(depths, np.float64))

    def predict(self, layers: Sequence[NDArray[np.float32]]) -> NDArray[np.int32]:
        """Return the most likely class of every row of the standardised layers, each [n, d]."""
        mixed = sum(np.float32(self.scale * weight) * X for weight, X in zip(self.weights, layers, strict=True))
        return np.asarray(mixed @ self.coef.T + self.intercept).argmax(axis=1).astype(np.int32)


def mix_loss(a: Tensor, W: Tensor, b: Tensor, data: tuple[Tensor, Tensor, Tensor, Tensor], penalty: float) -> Tensor:
    """Return the penalised mean loss of a mix: cross-entropy of labels, squared error of numbers.

    Parameters
    ----------
    a : Tensor [layers]
        Logits of the weights.
    W, b : Tensor [classes, d], [classes]
    data : (Tensor [layers, n, d], Tensor [n], Tensor [n], Tensor [layers, layers])
        Vectors, labels (int64) or numbers (floating, then there is one class), row weights that sum to 1, mean products
        of two layers' vectors over rows and dimensions.
    penalty : float
        Times half the squared length of `W`.
    """
    X, y, rows, gram = data
    s = a.softmax(0)
    mixed = torch.einsum("l,lnd->nd", s / (s @ gram @ s).sqrt(), X)
    scores = mixed @ W.T + b
    numbers = y.is_floating_point()
    losses = (scores[:, 0] - y).square() if numbers else torch.nn.functional.cross_entropy(scores, y, reduction="none")
    return (losses * rows).sum() + 0.5 * penalty * (W * W).sum()


def fit_mix(
    X: NDArray[np.float32],
    y: NDArray[np.integer] | NDArray[np.floating],
    *,
    n_classes: int,
    C: float,
    rows: NDArray[np.float64] | None = None,
    start: Mix | None = None,
    iterations: int = ITERATIONS,
    device: str = "cpu",
) -> Mix:
    """Fit weights and classifier together.

    Parameters
    ----------
    X : float32 array [layers, n, d]
        Standardised.
    y : int array [n], or float array [n] for numbers
    n_classes : int
        1 for numbers.
    C : float
        Inverse strength of the penalty, as of the logistic probe: 1 / C over n rows.
    rows : float64 array [n], optional
        How often each row counts (a resample).
    start : Mix, optional
        Where to begin.
    iterations : int
    device : str

    Returns
    -------
    Mix
        A stationary point: the mix makes the problem non-convex, and it starts from equal weights.
    """
    n_layers, n, d = X.shape
    counted = np.ones(n) if rows is None else rows
    weight = torch.from_numpy((counted / counted.sum()).astype(np.float32)).to(device)
    vectors = torch.from_numpy(X).to(device)
    gram = torch.einsum("lnd,mnd->lm", vectors, vectors) / (n * d)
    labels = y.astype(np.int64 if np.issubdtype(y.dtype, np.integer) else np.float32)
    data = (vectors, torch.from_numpy(labels).to(device), weight, gram)
    penalty = 1 / (C * float(counted.sum()))
    curvature = NUMBERS_CURVATURE if labels.dtype == np.float32 else CURVATURE
    basis, inverse = _coordinates(vectors, curvature, penalty)
    logits, turned, intercept = (
        part.to(device).requires_grad_() for part in _beginning(start, n_layers, n_classes, inverse.cpu())
    )
    solver = torch.optim.LBFGS(
        [logits, turned, intercept],
        max_iter=iterations,
        history_size=MEMORY,
        tolerance_grad=0.0,
        tolerance_change=TOLERANCE,
        line_search_fn="strong_wolfe",
    )

    def loss_here() -> Tensor:
        return mix_loss(LAYER_STEP * logits, turned @ basis.T, intercept, data, penalty)

    def evaluate() -> Tensor:
        solver.zero_grad()
        loss = loss_here()
        loss.backward()
        return loss

    solver.step(evaluate)
    with torch.no_grad():
        loss = float(loss_here())
        coef = turned @ basis.T
        weights = (LAYER_STEP * logits).double().softmax(0)
        scale = float((weights @ gram.double() @ weights) ** -0.5)
        arrays = (weights.cpu().numpy(), scale, coef.cpu().numpy(), intercept.cpu().numpy())
    return Mix(*arrays, loss)


def _coordinates(vectors: Tensor, curvature: float, penalty: float) -> tuple[Tensor, Tensor]:
    """Return the map [d, d] from coordinates of equal curvature to those of the mean of the layers, and its inverse."""
    mean = vectors.mean(0)
    values, axes = torch.linalg.eigh((mean.T @ mean / len(mean)).double())
    size = (curvature * values.clamp_min(0) + penalty).sqrt()
    return (axes / size).float(), (size[:, None] * axes.T).float()


def _beginning(start: Mix | None, n_layers: int, n_classes: int, inverse: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return logits of the weights, the classifier in its coordinates, its intercept: of a mix, or of equal weights."""
    if start is None:
        return torch.zeros(n_layers), torch.zeros(n_classes, len(inverse)), torch.zeros(n_classes)
    logits = torch.from_numpy(np.log(np.maximum(start.weights, 1e-12))).float() / LAYER_STEP
    return logits, torch.from_numpy(start.coef) @ inverse.T, torch.from_numpy(start.intercept.copy())


def without_each_fold(sentences: NDArray[np.int64], folds: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield the rows without a part of their sentences, each part in turn."""
    codes = np.unique(sentences, return_inverse=True)[1]
    part = np.random.default_rng(seed).permutation(int(codes.max()) + 1) % folds
    for fold in range(folds):
        yield np.flatnonzero(part[codes] != fold)


def half_width(refits: FloatArray) -> float:
    """Return half the width of the delete-a-group jackknife's interval at the level of reports."""
    n = len(refits)
    deviation = np.sqrt((n - 1) / n * np.square(refits - refits.mean()).sum())
    return float(student.ppf(0.5 + LEVEL / 2, n - 1) * deviation)


METHOD = "scalar_mix"
STOPPED = "scalar_mix_early_stopped"
"""Learned as Tenney et al. (2019) learn theirs: no penalty, Adam, stopped on dev."""


@dataclass(frozen=True, slots=True)
class LearnedMix:
    """Weights of layers.

    Attributes
    ----------
    layers : sequence of int or str
    weights : float64 array [layers]
    refits : float64 array [folds, layers]
    """

    layers: Sequence[int | str]
    weights: FloatArray
    refits: FloatArray

    def centre(self) -> tuple[float, float, float]:
        """Return the centre of gravity and its interval, which ends at the first and the last depth."""
        depths = np.array([split_layer(layer)[1] for layer in self.layers], np.float64)
        centre, wide = float(self.weights @ depths), half_width(self.refits @ depths)
        return centre, max(float(depths.min()), centre - wide), min(float(depths.max()), centre + wide)

    def rows(self, row: Measurement) -> Iterator[Measurement]:
        """Yield the weight of every layer and the centre of gravity, made from ``row``; of one layer nothing."""
        if len(self.layers) < 2:
            return
        for place, layer in enumerate(self.layers):
            wide, weight = half_width(self.refits[:, place]), float(self.weights[place])
            low, high = max(0.0, weight - wide), min(1.0, weight + wide)
            yield replace(row, layer=layer, metric="weight", value=weight, low=low, high=high)
        centre, low, high = self.centre()
        yield replace(row, metric="centre_of_gravity", value=centre, low=low, high=high)

    def note(self, n: int, how: str) -> str:
        """Say it in one sentence."""
        if len(self.layers) < 2:
            return f"There is no mix of layer {self.layers[0]} alone."
        shown = ", ".join(f"{weight:.2f}" for weight in self.weights)
        centre, low, high = self.centre()
        return (
            f"Scalar mix of layers {', '.join(map(str, self.layers))} (weights {shown}; {n:,} training rows; "
            f"learned under {how}): centre of gravity {centre:.2f} [{low:.2f}, {high:.2f}], of {len(self.refits)} "
            "refits that leave out sentences."
        )
