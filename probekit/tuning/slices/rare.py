"""Targets of rare words: ``rare:below=3,share=0.25``, a quarter of whose words stand in fewer than 3 training examples.

An example that is trained on itself is not counted, so that the slice is the same in training as on new text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from probekit.example import Example
from probekit.tuning.options import Part, Size
from probekit.tuning.slices import Given, Holds, Known, SlicingFunction, Spans, words_of

SHARES = (0.1, 0.25, 0.5)
"""What a search tries."""


def build(known: Known, *, below: Size = 3, share: Part = 0.25) -> Holds:
    """Return whether ``share`` of the words or more stand in fewer than ``below`` other training examples."""

    def holds(example: Example, spans: Spans) -> bool:
        words = words_of(example, spans)
        rare = sum(known.others(word, example) < below for word in words)
        return rare > 0 and rare >= share * len(words)

    return holds


def candidates(examples: Sequence[Example], least: int) -> Iterator[Given]:
    """Yield shares of words of which training shows none, or one or two."""
    yield from ({"below": below, "share": share} for below in (1, 3) for share in SHARES)


SLICE = SlicingFunction("rare", build, "targets of words that training hardly shows", candidates, learns=True)
