"""Examples of so many words: ``length:min=30``, ``length:max=8``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from probekit.errors import UsageError
from probekit.example import Example
from probekit.tuning.options import Count
from probekit.tuning.slices import Given, Holds, Known, SlicingFunction, Spans

SHARES = (0.25, 0.5, 0.75, 0.9)
"""Shares of the examples at whose lengths a search cuts."""


def build(known: Known, *, min: Count = 0, max: Count = 0) -> Holds:
    """Return whether an example has ``min`` words or more, and ``max`` or fewer; 0: no such end."""
    if not (min or max) or (max and min > max):
        raise UsageError("A slice of lengths is written length:min=30, length:max=8, or both, the smaller first.")

    def holds(example: Example, spans: Spans) -> bool:
        return min <= len(example.words) <= (max or len(example.words))

    return holds


def candidates(examples: Sequence[Example], least: int) -> Iterator[Given]:
    """Yield both sides of every cut."""
    lengths = np.array([len(example.words) for example in examples])
    for cut in dict.fromkeys(int(np.quantile(lengths, share)) for share in SHARES):
        yield {"min": cut + 1}
        if cut:
            yield {"max": cut}


SLICE = SlicingFunction("length", build, "examples of so many words", candidates)
