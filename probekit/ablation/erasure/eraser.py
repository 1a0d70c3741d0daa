"""What erases: an affine projection, as vectors and as the subspace file that an edit takes.

Enters: directions, what measures how much of each there is, a mean. Leaves: vectors in which that much is replaced by
the mean's. Everything is float64 here, and float32 in the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit import plain
from probekit.errors import InputError, UsageError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Eraser:
    """Maps x to ``x - ((x - mean) @ duals.T) @ directions``.

    Attributes
    ----------
    directions, duals : float64 array [k, d]
        What is taken out, and what says how much of it there is; equal where the projection is orthogonal.
    mean : float64 array [d]
        What stays as it is.
    """

    directions: FloatArray
    duals: FloatArray
    mean: FloatArray

    @classmethod
    def orthogonal(cls, basis: FloatArray, mean: FloatArray) -> Eraser:
        """Return what takes out the span of orthonormal rows [k, d]."""
        return cls(basis, basis, mean)

    @property
    def rank(self) -> int:
        """Number of directions."""
        return len(self.directions)

    def __call__(self, X: Any) -> FloatArray:
        """Return vectors [n, d] without what is erased."""
        X = vectors_of(X)
        return X - self.taken(X)

    def taken(self, X: FloatArray) -> FloatArray:
        """Return what is taken out of vectors, [n, d]."""
        return ((X - self.mean) @ self.duals.T) @ self.directions

    def loss(self, X: Any) -> float:
        """Return the mean squared norm of what is taken out, as a share of the variance (0..1 if orthogonal)."""
        X = vectors_of(X)
        whole = float(np.square(X - self.mean).sum(1).mean())
        return float(np.square(self.taken(X)).sum(1).mean()) / whole if whole else 0.0

    def tensors(self) -> Mapping[str, NDArray[np.float32]]:
        """Return what the file holds, by name."""
        arrays = {"directions": self.directions, "duals": self.duals, "mean": self.mean}
        return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the subspace file that an edit takes (``project-out``).

        Raises
        ------
        UsageError
            Nothing is erased: an edit of no directions is none.
        """
        from safetensors.numpy import save_file

        if not self.rank:
            raise UsageError("Nothing is erased: the labels leave no trace in the vectors, so there is no subspace.")
        path = plain.path(path, "path")
        save_file(dict(self.tensors()), path)
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Eraser:
        """Read a file that :meth:`save` wrote.

        Raises
        ------
        InputError
            It is none.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            found = load_file(plain.path(path, "path"))
            return cls(*(found[name].astype(np.float64) for name in ("directions", "duals", "mean")))
        except (SafetensorError, OSError, KeyError) as error:
            raise InputError(f"{path} is no file of an eraser, with directions, duals and mean: {error}.") from None


def vectors_of(X: Any) -> FloatArray:
    """Return vectors as float64 [n, d].

    Raises
    ------
    InputError
        They have another shape, or hold what is no number.
    """
    X = np.asarray(X, np.float64)
    if X.ndim != 2 or not len(X) or not np.isfinite(X).all():
        raise InputError(f"Vectors must be finite numbers [n, d], with a row at least. Got the shape {X.shape}.")
    return X
