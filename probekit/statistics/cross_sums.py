"""Sums over the rows of two matrices, from which their covariances and debiased linear CKA follow.

Enters: rows of both, block by block. Leaves: :class:`CrossSums`, which are added, so that blocks of any size can be
read one by one and put together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
LEAST = 4
"""Rows without which the debiased estimate is not defined."""


@dataclass(frozen=True, slots=True)
class CrossSums:
    """Sums over rows from which the similarity of two representations follows; those of several blocks are added.

    Attributes
    ----------
    n : int
        Rows.
    outer : tuple of float64 array
        Of X with X [d, d], of X with Y [d, e], of Y with Y [e, e].
    first : tuple of float64 array
        Sums of the rows of X [d] and of Y [e].
    weighted : tuple of float64 array
        Sums of the rows of X weighted by the squared norms of X and of Y [2, d]; those of Y likewise [2, e].
    norms : float64 array [2]
        Sums of squared norms.
    products : float64 array [2, 2]
        Sums of products of squared norms.
    """

    n: int
    outer: tuple[FloatArray, FloatArray, FloatArray]
    first: tuple[FloatArray, FloatArray]
    weighted: tuple[FloatArray, FloatArray]
    norms: FloatArray
    products: FloatArray

    @classmethod
    def of(cls, x: FloatArray, y: FloatArray) -> CrossSums:
        """Sum over the rows of a block; shift both by about their means first, which changes no similarity.

        Parameters
        ----------
        x : array [n, d]
        y : array [n, e]
        """
        a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
        squares = np.stack([np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", b, b)])
        return cls(
            n=len(a),
            outer=(a.T @ a, a.T @ b, b.T @ b),
            first=(a.sum(axis=0), b.sum(axis=0)),
            weighted=(squares @ a, squares @ b),
            norms=squares.sum(axis=1),
            products=squares @ squares.T,
        )

    def __add__(self, other: CrossSums) -> CrossSums:
        (xx, xy, yy), (ax, ay), (wx, wy) = other.outer, other.first, other.weighted
        return CrossSums(
            n=self.n + other.n,
            outer=(self.outer[0] + xx, self.outer[1] + xy, self.outer[2] + yy),
            first=(self.first[0] + ax, self.first[1] + ay),
            weighted=(self.weighted[0] + wx, self.weighted[1] + wy),
            norms=self.norms + other.norms,
            products=self.products + other.products,
        )

    def covariance(self, one: int, other: int) -> FloatArray:
        """Return the products of two sides (0 or 1, the first not above the second) about their means, times n."""
        means = np.outer(self.first[one], self.first[other]) / self.n
        return np.asarray(self.outer[one + other] - means)

    def cka(self) -> float:
        """Return debiased linear CKA [1]_ [2]_; nan where one side is constant.

        Raises
        ------
        ValueError
            There are fewer than :data:`LEAST` rows.

        References
        ----------
        .. [1] Kornblith et al. 2019, Similarity of neural network representations revisited.
        .. [2] Nguyen, Raghu & Kornblith 2021, Do wide and deep networks learn the same things? (the debiased estimate,
           after Song et al. 2012).
        """
        if self.n < LEAST:
            raise ValueError(f"Debiased CKA needs at least {LEAST} rows; got {self.n}.")
        own = self._hsic(0, 0) * self._hsic(1, 1)
        return self._hsic(0, 1) / float(np.sqrt(own)) if own > 0 else float("nan")

    def _hsic(self, one: int, other: int) -> float:
        """Return the unbiased estimate of HSIC of two sides with linear kernels, times n (n - 3).

        The kernels' diagonals count as 0: what the sums hold of them is taken away.
        """
        n = self.n
        cross = self.outer[one + other]
        sides = self.first[one], self.first[other]
        trace = float(np.sum(cross**2)) - self.products[one, other]
        totals = [float(side @ side) - self.norms[which] for side, which in zip(sides, (one, other), strict=True)]
        both = (
            float(sides[0] @ cross @ sides[1])
            - float(sides[0] @ self.weighted[one][other])
            - float(sides[1] @ self.weighted[other][one])
            + self.products[one, other]
        )
        return trace + totals[0] * totals[1] / ((n - 1) * (n - 2)) - 2 * both / (n - 2)
