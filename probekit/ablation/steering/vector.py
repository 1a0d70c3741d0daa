"""The vector that is added: a direction between two classes, in units of how large the states of its layer are.

Enters: labelled states of training. Leaves: a :class:`Vector`, and its file, which an edit that adds takes: at the
strength 1 the edit adds a vector as long as the states are, root mean square.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit import plain
from probekit.ablation.acting import action
from probekit.ablation.concept.model import ConceptModel
from probekit.ablation.concept.readable import Readable
from probekit.ablation.edits import ADD, Edit
from probekit.ablation.erasure import random_of_rank
from probekit.ablation.subspaces import Materials, Subspace
from probekit.errors import InputError, UsageError, did_you_mean
from probekit.models.runtime.attach import Callback
from probekit.models.sources.load import LoadedModel

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """What is added at a layer.

    Attributes
    ----------
    layer : int
    direction : float64 array [width]
        Of length 1.
    size : float
        Root mean square of the norms of the layer's states: the unit of strengths.
    """

    layer: int
    direction: FloatArray
    size: float

    def adding(self, loaded: LoadedModel, strength: float) -> Callback:
        """Return what adds it at every token, for :func:`~probekit.models.runtime.attach.attached`."""
        import torch

        edit = Edit(str(self.layer), ADD, subspace="vector.safetensors", strength=strength)
        return action(loaded, edit, {"directions": torch.from_numpy(self._scaled())})

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the ``subspace`` of an edit that adds it; return the path."""
        from safetensors.numpy import save_file

        place = plain.path(path, "save")
        place.parent.mkdir(parents=True, exist_ok=True)
        save_file({"directions": self._scaled()}, place, metadata={"site": str(self.layer)})
        return place

    def random(self, seed: int) -> Vector:
        """Return a vector of the same length in a random direction."""
        return Vector(self.layer, random_of_rank(1, np.zeros(len(self.direction)), seed=seed).directions[0], self.size)

    def _scaled(self) -> NDArray[np.float32]:
        return np.ascontiguousarray(self.size * self.direction[None], np.float32)


def find_vector(layer: int, X: FloatArray, toward: NDArray[np.bool_], kind: Subspace, seed: int) -> Vector:
    """Return the direction from the vectors of one class to those of the other.

    Parameters
    ----------
    layer : int
    X : float64 array [n, width]
    toward : bool array [n]
        Which of them are of the class that is steered to.
    kind : Subspace
        How it is found: of rank one, from classes.
    seed : int

    Raises
    ------
    InputError
        Nothing tells the classes apart there.
    """
    labels = np.where(toward, "toward", "away")
    found: Any = kind.fit(Materials(X, labels, X[:0], 1, seed))
    if found is None or not found.rank:
        raise InputError(f"At layer {layer} nothing tells the two classes apart on training rows: there is no vector.")
    direction = found.duals[0] if kind.name == "leace" else found.directions[0]
    direction = direction / np.linalg.norm(direction)
    upward = float((X[toward].mean(0) - X[~toward].mean(0)) @ direction) >= 0
    return Vector(layer, direction if upward else -direction, float(np.sqrt(np.square(X).sum(1).mean())))


def vector_of(
    model: ConceptModel,
    readable: Readable,
    ends: tuple[str, str],
    layer: int,
    *,
    states: str | None,
    kind: Subspace,
    seed: int,
) -> Vector:
    """Return the vector of a layer.

    Parameters
    ----------
    model : ConceptModel
    readable : Readable
    ends : (str, str)
        The class that is steered to, and the one that is steered away from.
    layer : int
    states : {"predicted", "written"} or None
        Of words; None: at the position of each example.
    kind : Subspace
    seed : int

    Raises
    ------
    UsageError
        The task has no such class.
    InputError
        Training has none of it where words are predicted.
    """
    names = [str(name) for name in readable.question.classes]
    for name in ends:
        if name not in names:
            raise UsageError(
                f"The task '{readable.name}' has the classes {', '.join(names[:20])}. Got '{name}'."
                f"{did_you_mean(name, names)}"
            )
    if ends[0] == ends[1]:
        raise UsageError(f"A direction lies between two classes. Got '{ends[0]}' twice.")
    parts = model.labelled(readable, layer, {})
    codes = [names.index(name) for name in ends]
    part = parts[-1] if states == "predicted" else parts[0]
    kept = np.isin(part.codes, codes)
    counts = [int((part.codes == code).sum()) for code in codes]
    if (states == "predicted" and len(parts) < 2) or not all(counts):
        what, where = ("words", states) if states is not None else ("examples", f"at '{readable.settings.at}'")
        advice = "" if states is None else ", or take the words as written"
        raise InputError(
            f"Training has {counts[0]:,} {what} of '{ends[0]}' and {counts[1]:,} of '{ends[1]}' ({where}) that bear "
            f"the label of '{readable.name}'. Name a larger corpus{advice}."
        )
    return find_vector(layer, part.X[kept].astype(np.float64), part.codes[kept] == codes[0], kind, seed)
