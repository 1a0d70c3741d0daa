r"""WEAT [1]_ and, on sentences, SEAT [2]_: are two sets of targets differently near to two sets of attributes?

Enters: vectors of targets X and Y and of attributes A and B. With :math:`s(w) = \mathrm{mean}_{a \in A} \cos(w, a) -
\mathrm{mean}_{b \in B} \cos(w, b)`, leaves

.. math::

    S = \sum_{x \in X} s(x) - \sum_{y \in Y} s(y), \qquad
    d = \frac{\mathrm{mean}_{x \in X} s(x) - \mathrm{mean}_{y \in Y} s(y)}{\mathrm{std}_{w \in X \cup Y} s(w)}

(the standard deviation with n - 1, so that \|d\| stays below 2), and p, the share of the partitions of the targets into
sets of these sizes whose sum over X is not smaller. All partitions are gone through where they are few, else some are
drawn, with the observed one among them [3]_.

It measures cosines of the vectors of these words. It does not measure what a model says or does; in contextual models
the vectors of single words hold much that is the same for all of them, so that a large effect may be a small difference
of large cosines, and no effect is no sign of no bias [2]_. p speaks of other partitions of the same words, not of other
words. One-sided: p near 1 is an association the other way round.

References
----------
.. [1] Caliskan, Bryson & Narayanan 2017, Semantics derived automatically from language corpora contain human-like
   biases.
.. [2] May et al. 2019, On measuring social biases in sentence encoders.
.. [3] Phipson & Smyth 2010, Permutation p-values should never be zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, combinations, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from probekit.errors import InputError, NumericError, UsageError
from probekit.statistics.bootstrap import FloatArray
from probekit.storage.strict import decode

PERMUTATIONS = 100_000
_PARTS = ("targ1", "targ2", "attr1", "attr2")
_CHUNK = 20_000


@dataclass(frozen=True, slots=True)
class AssociationTest:
    """The words or sentences of a test.

    Attributes
    ----------
    name : str
    categories : tuple of str
        What X, Y, A and B are: ``Flowers``, ``Insects``, ``Pleasant``, ``Unpleasant``.
    texts : tuple of four tuples of str
    """

    name: str
    categories: tuple[str, str, str, str]
    texts: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Association:
    """How differently two sets of targets are associated with two sets of attributes.

    Attributes
    ----------
    effect : float
        d: above 0 where X is nearer to A, and Y to B.
    statistic : float
        S.
    p : float
        One-sided.
    partitions : int
        That p is a share of.
    exact : bool
        All there are; else drawn.
    sizes : tuple of int
        Vectors of X, Y, A and B.
    """

    effect: float
    statistic: float
    p: float
    partitions: int
    exact: bool
    sizes: tuple[int, int, int, int]


def read_association_test(path: Path) -> AssociationTest:
    """Read a test from a JSON object with ``targ1``, ``targ2``, ``attr1`` and ``attr2``, as sent-bias keeps them.

    Raises
    ------
    InputError
        No such file, no such object, a set with less than two texts or with one twice.
    """
    try:
        found = decode(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no association test can be read here: {error}.") from None
    parts = [found.get(part) if isinstance(found, Mapping) else None for part in _PARTS]
    sets = [_texts(part, name, path) for part, name in zip(parts, _PARTS, strict=True)]
    return AssociationTest(
        path.name.partition(".")[0],
        tuple(str(part["category"]) for part in parts),  # type: ignore[arg-type, index]
        tuple(sets),  # type: ignore[arg-type]
    )


def _texts(part: Any, name: str, path: Path) -> tuple[str, ...]:
    texts = part.get("examples") if isinstance(part, Mapping) and "category" in part else None
    if (
        not isinstance(texts, list)
        or len(texts) < 2
        or not all(isinstance(text, str) and text.split() for text in texts)
    ):
        raise InputError(f"{path}: '{name}' must have a 'category' and two or more 'examples', each a text.")
    if len(set(texts)) < len(texts):
        twice = next(text for i, text in enumerate(texts) if text in texts[:i])
        raise InputError(f"{path}: '{name}' has the example '{twice}' twice. Take one of them out.")
    return tuple(texts)


def weat(
    targets: tuple[ArrayLike, ArrayLike],
    attributes: tuple[ArrayLike, ArrayLike],
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Association:
    """Test whether two sets of target vectors are differently associated with two sets of attribute vectors.

    Parameters
    ----------
    targets : (array [x, d], array [y, d])
        X and Y; their sizes may differ.
    attributes : (array [a, d], array [b, d])
    permutations : int
        Partitions that are gone through at most; where there are more, so many are drawn.
    seed : int
        Of the draw.

    Raises
    ------
    UsageError
        A set with less than two vectors (one, of attributes), vectors of other widths, no permutation.
    NumericError
        A vector of length 0, or one that is not finite: it has no cosine. Targets that are all associated alike.
    """
    X, Y, A, B = (np.asarray(part, np.float64) for part in (*targets, *attributes))
    if permutations < 1:
        raise UsageError(f"The `permutations` must be 1 or more. Got {permutations}.")
    for name, part, fewest in (("X", X, 2), ("Y", Y, 2), ("A", A, 1), ("B", B, 1)):
        if part.ndim != 2 or len(part) < fewest or part.shape[1] != X.shape[1]:
            raise UsageError(f"{name} must be {fewest} or more vectors of one width. Got an array of {part.shape}.")
    both = _unit(np.vstack([X, Y]))
    s = both @ _unit(A).mean(axis=0) - both @ _unit(B).mean(axis=0)  # [x + y]
    x = len(X)
    spread = float(s.std(ddof=1))
    if spread < 1e-12:
        raise NumericError("All targets are associated alike with both attributes: their difference has no scale.")
    p, partitions, exact = _p_value(s, x, permutations, seed)
    return Association(
        effect=float(s[:x].mean() - s[x:].mean()) / spread,
        statistic=float(s[:x].sum() - s[x:].sum()),
        p=p,
        partitions=partitions,
        exact=exact,
        sizes=(x, len(Y), len(A), len(B)),
    )


def _unit(vectors: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and lengths.all()):
        raise NumericError("A vector has length 0 or is not finite: it has no cosine with others.")
    return np.asarray(vectors / lengths)


def _p_value(s: FloatArray, x: int, most: int, seed: int) -> tuple[float, int, bool]:
    """Return p, of how many partitions, and whether these are all there are.

    The sum over both sets is the same in each partition, so the sum over the first orders them.
    """
    observed = s[:x].sum() - 1e-12 * np.abs(s).sum()  # what is equal but for rounding counts as equal
    n = math.comb(len(s), x)
    if n <= most:
        reached = 0
        ways = combinations(range(len(s)), x)
        while len(chosen := _some(ways, x)):
            reached += int((s[chosen].sum(axis=1) >= observed).sum())
        return reached / n, n, True
    rng = np.random.default_rng(seed)
    reached = 1
    for start in range(1, most, _CHUNK):
        drawn = rng.random((min(_CHUNK, most - start), len(s))).argpartition(x - 1, axis=1)[:, :x]
        reached += int((s[drawn].sum(axis=1) >= observed).sum())
    return reached / most, most, False


def _some(ways: Any, x: int) -> NDArray[np.int64]:
    """Return the next partitions, [k, x]; none where they are at their end."""
    return np.fromiter(chain.from_iterable(islice(ways, _CHUNK)), np.int64).reshape(-1, x)
