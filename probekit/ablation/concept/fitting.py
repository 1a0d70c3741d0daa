"""Erasers of a task, and the random ones beside them, at one layer or at all.

Enters: labelled states of training. Leaves: an :class:`Erasure`. At all layers each eraser is fitted to what those
below it leave. Random subspaces take out as many directions, or as much of the variance of the same states.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.ablation.concept.states import Erasers
from probekit.ablation.erasers import EraserKind, Labelled
from probekit.ablation.erasure import Eraser, random_of_loss, random_of_rank
from probekit.probing.floors import draw_seed
from probekit.sites import LAYER, MOST_LAYERS, Site

RANDOM_RANK, RANDOM_LOSS = "random_rank", "random_loss"
CONTROLS = (RANDOM_RANK, RANDOM_LOSS)
Vectors = Callable[[int, Erasers], Sequence[Labelled]]
"""Labelled states of a layer, by the kind of place, under erasures."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What takes a concept out of a model.

    Attributes
    ----------
    erasers : mapping of Site to Eraser
    controls : mapping of str to list of mapping
        Of each kind of control the draws, each at the same places.
    loss : float
        Share of the variance that is taken out, where it is the largest share.
    notes : tuple of str
    """

    erasers: Erasers
    controls: Mapping[str, Sequence[Erasers]]
    loss: float
    notes: tuple[str, ...]

    @property
    def rank(self) -> int:
        """Directions, of the place with the most."""
        return max((eraser.rank for eraser in self.erasers.values()), default=0)


def fit_erasure(kind: EraserKind, layers: Sequence[int], vectors: Vectors, *, draws: int, seed: int) -> Erasure:
    """Fit erasers at some layers, from the bottom up.

    Parameters
    ----------
    kind : EraserKind
    layers : sequence of int
        Ascending.
    vectors : callable
    draws : int
        Of each kind of control.
    seed : int
        Of the controls.
    """
    erasers: dict[Site, Eraser] = {}
    controls: dict[str, list[dict[Site, Eraser]]] = {name: [{} for _ in range(draws)] for name in CONTROLS}
    losses, notes = [0.0], []
    for layer in layers:
        site = Site(LAYER, layer)
        parts = vectors(layer, erasers)
        eraser, note = kind.fit(parts)
        if note:
            notes.append(f"{note} (layer {layer}).")
        if not eraser.rank:
            notes.append(f"Nothing is erased at layer {layer}: the labels leave no trace there.")
            continue
        X = np.concatenate([part.X for part in parts]).astype(np.float64)
        losses.append(loss := eraser.loss(X))
        erasers[site] = eraser
        for draw in range(draws):
            its = draw_seed(seed, draw * MOST_LAYERS + layer)
            controls[RANDOM_RANK][draw][site] = random_of_rank(eraser.rank, eraser.mean, seed=its)
            controls[RANDOM_LOSS][draw][site] = random_of_loss(X, min(loss, 1.0), seed=its)
    return Erasure(erasers, controls, max(losses), tuple(notes))


def erased(erasers: Erasers, layer: int, X: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors of a layer as its eraser leaves them."""
    eraser = erasers.get(Site(LAYER, layer))
    return X if eraser is None else eraser(X).astype(np.float32)
