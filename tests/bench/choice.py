"""How much the choice of a strength on dev bends tests between layers on the same dev, and the choice of a layer.

Planted: layers that are equally good in truth, each with strengths of which the best on dev is kept, as a study
does. Words are hard for all layers alike up to what a layer and a strength have of their own, such that two
strengths of a layer differ in 1.6 % of their hits, or 2.7 %, and two layers in 2.8 % or 3.5 %.
Surprise: what the choice gives a dev score falls out of the difference of two layers that had as many good strengths;
it bends a test only where one layer had more to choose from than the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from probekit.statistics.bootstrap import Bootstrap
from probekit.statistics.significance import neighbours, not_worse

LAYERS, STRENGTHS = 7, 5
TRUE = 0.93
SHARES = {"document": 0.03, "layer": 0.03, "strength": 0.01}
"""Of the variance of how hard a word is; the word has the rest."""
PAIRS = [(layer, layer + 1) for layer in range(LAYERS - 1)]
LAYOUTS = {"five strengths as good in every layer": (5,) * 7, "one and five in turn": (1, 5) * 3 + (1,)}


@dataclass
class Bent:
    """Counts over draws of noise."""

    worse: int = 0
    different: int = 0
    small: int = 0
    """Unadjusted p values of the first pair below 0.05."""
    gift: float = 0.0
    """What dev scores the kept strength above the truth."""


def hits_of(units: np.ndarray, rng: np.random.Generator, strength: float = SHARES["strength"]) -> np.ndarray:
    """Whether each strength of each layer is right on each word, [n, layers, strengths], each with accuracy TRUE."""
    n = len(units)
    shares = {**SHARES, "strength": strength}
    shares["word"] = 1 - sum(shares.values())
    scale = {name: np.float32(np.sqrt(share)) for name, share in shares.items()}
    hard = scale["document"] * rng.standard_normal(units.max() + 1, np.float32)[units]
    hard += scale["word"] * rng.standard_normal(n, np.float32)
    own = scale["layer"] * rng.standard_normal((n, LAYERS, 1), np.float32)
    fit = scale["strength"] * rng.standard_normal((n, LAYERS, STRENGTHS), np.float32)
    return np.asarray(hard[:, None, None] + own + fit < ndtri(TRUE))


def simulate(
    sizes: list[np.ndarray], layout: tuple[int, ...], *, strength: float = SHARES["strength"], resamples: int, seed: int
) -> tuple[Bent, Bent]:
    """Return what was found with the best of the strengths on dev, and with one fixed beforehand."""
    rng = np.random.default_rng(seed)
    best, fixed = Bent(), Bent()
    for draw, lengths in enumerate(sizes):
        units = np.repeat(np.arange(len(lengths)), lengths)
        hits = hits_of(units, rng, strength)
        scores = hits.mean(axis=0)
        # A layer with fewer contenders keeps the first of them.
        kept = [int(scores[layer, :contenders].argmax()) for layer, contenders in enumerate(layout)]
        bootstrap = Bootstrap.draw(units, resamples=resamples, seed=draw)
        for bent, chosen in ((best, kept), (fixed, [0] * LAYERS)):
            table = hits[:, np.arange(LAYERS), chosen]
            points, resampled = table.mean(axis=0), bootstrap.accuracy(table)
            bent.worse += len(not_worse(points, resampled)) < LAYERS
            bent.different += min(neighbours(points, resampled, PAIRS)) < 0.05
            bent.small += neighbours(points, resampled, PAIRS[:1])[0] < 0.05
            bent.gift += float(points.mean()) - TRUE
    return best, fixed
