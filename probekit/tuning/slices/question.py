"""Examples that end in a question mark, quotes and brackets behind it left aside."""

from __future__ import annotations

from collections.abc import Sequence

from probekit.example import Example
from probekit.tuning.slices import Given, Holds, Known, SlicingFunction, Spans

BEHIND = "\"'”’)]» "


def build(known: Known) -> Holds:
    """Return whether the last word that is more than a quote ends in a question mark."""

    def holds(example: Example, spans: Spans) -> bool:
        return " ".join(example.words).rstrip(BEHIND).endswith("?")

    return holds


def candidates(examples: Sequence[Example], least: int) -> Sequence[Given]:
    """Return the one there is."""
    return [{}]


SLICE = SlicingFunction("question", build, "examples that end in a question mark", candidates)
