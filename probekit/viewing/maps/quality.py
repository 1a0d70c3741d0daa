"""What a map keeps of its vectors: trustworthiness and continuity, and how it lies beside another map.

Enters: vectors and their places. Leaves: numbers between 0 and 1, and maps that are turned. Surprise: where vectors
coincide their order as neighbours is arbitrary, and so is a part of both numbers; how many do is counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UsageError

FloatArray = NDArray[np.floating]


def trustworthiness(vectors: FloatArray, places: FloatArray, k: int) -> float:
    """Return how few of the k neighbours on the map were no neighbours before; 1 where all were.

    Parameters
    ----------
    vectors : float array [n, d]
    places : float array [n, 2]
    k : int
        Below n / 2.

    References
    ----------
    Venna & Kaski 2001, Neighborhood preservation in nonlinear projection methods.
    """
    from sklearn.manifold import trustworthiness as measured

    check_neighbours(k, len(vectors))
    return float(measured(vectors, places, n_neighbors=k))


def continuity(vectors: FloatArray, places: FloatArray, k: int) -> float:
    """Return how few of the k neighbours before are torn apart on the map: trustworthiness, the spaces exchanged."""
    return trustworthiness(places, vectors, k)


def check_neighbours(k: int, n: int) -> None:
    """Refuse a k for which the numbers are not defined.

    Raises
    ------
    UsageError
    """
    if not 1 <= k < n / 2:
        raise UsageError(
            f"The `neighbours` option must be at least 1 and below half of the points that it is measured on ({n:,}). "
            f"Got {k}. Ask for fewer, or show more points where these are few."
        )


def distinct(vectors: FloatArray) -> int:
    """Return how many different rows there are."""
    rows = np.ascontiguousarray(vectors)
    return len({row.tobytes() for row in rows})


@dataclass(frozen=True, slots=True)
class Turned:
    """A map turned to another.

    Attributes
    ----------
    places : float array [n, 2]
    rotation : float array [2, 2]
        Orthogonal, so a reflection may be in it: ``places = given @ rotation``.
    agreement : float
        1 where the two maps differ by a turn, a reflection and a scale alone.
    """

    places: FloatArray
    rotation: FloatArray
    agreement: float


def unit_spread(places: FloatArray) -> tuple[FloatArray, float]:
    """Return the places around their mean, one away from it in root mean square, and what they were divided by."""
    centred = places - places.mean(axis=0)
    spread = float(np.sqrt((centred**2).sum(axis=1).mean())) or 1.0
    return centred / spread, spread


def turn(places: FloatArray, to: FloatArray) -> Turned:
    """Turn a map of unit spread so that its points lie as near to another's as they can.

    Returns
    -------
    Turned
        ``agreement`` is the Procrustes correlation: the sum of singular values of the cross product, by n.

    References
    ----------
    Schoenemann 1966, A generalized solution of the orthogonal Procrustes problem; Peres-Neto & Jackson 2001.
    """
    from scipy.linalg import orthogonal_procrustes

    rotation, singular = orthogonal_procrustes(places, to)
    return Turned(places @ rotation, rotation, float(singular / len(places)))
