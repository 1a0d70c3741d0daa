"""Dimensions of a layer with massive activations, which a lens is shown with and without.

Enters: predicting states of the training part. Leaves: :class:`Massive`, one a dimension and layer. A few dimensions of
large models hold values some thousand times the others', mostly at the first token, and the same whatever is read [1]_:
a norm then divides by them, and a lens shows them and not the token.

References
----------
.. [1] Sun, Chen, Kolter & Liu 2024, Massive activations in large language models, https://arxiv.org/abs/2402.17762
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from probekit.viewing.predictions.tokens import Part

LEAST, TIMES = 100.0, 1000.0
"""A value is massive if its magnitude is above the first, and above the second times the median of its layer."""
RULE = f"magnitude above {LEAST:g} and above {TIMES:,.0f} times the median magnitude of the layer (Sun et al. 2024)"
_AT_ONCE, _OF_MEDIAN = 1024, 4096


@dataclass(frozen=True, slots=True)
class Massive:
    """A dimension that holds massive values.

    Attributes
    ----------
    layer, dim : int
    tokens, first : int
        States in which it is massive, and how many of them stand at the first token of their sentence.
    largest : float
        Magnitude.
    median : float
        Of the magnitudes of the layer.
    mean : float
        Of the dimension, over the training states.
    """

    layer: int
    dim: int
    tokens: int
    first: int
    largest: float
    median: float
    mean: float

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def find_massive(train: Part, layers: Sequence[int]) -> dict[int, tuple[Massive, ...]]:
    """Look for massive values in every layer; layers without any are left out."""
    found = {layer: tuple(_of_layer(train, layer)) for layer in layers}
    return {layer: those for layer, those in found.items() if those}


def _of_layer(train: Part, layer: int) -> Iterator[Massive]:
    n = len(train)
    sample = train.states(layer, np.unique(np.linspace(0, n - 1, min(n, _OF_MEDIAN)).astype(np.int64)))
    median = float(np.median(np.abs(sample)))
    threshold = max(LEAST, TIMES * median)
    width = sample.shape[1]
    tokens, first = np.zeros(width, np.int64), np.zeros(width, np.int64)
    largest, added = np.zeros(width), np.zeros(width)
    for start in range(0, n, _AT_ONCE):
        which = np.arange(start, min(start + _AT_ONCE, n))
        states = train.states(layer, which)
        sizes = np.abs(states)
        massive = sizes > threshold
        tokens += massive.sum(axis=0)
        first += massive[train.place[which] <= 1].sum(axis=0)
        largest = np.maximum(largest, sizes.max(axis=0))
        added += states.sum(axis=0, dtype=np.float64)
    for dim in np.flatnonzero(tokens).tolist():
        yield Massive(layer, dim, int(tokens[dim]), int(first[dim]), float(largest[dim]), median, float(added[dim] / n))
