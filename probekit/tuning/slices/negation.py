"""Examples with an English negation: not, n't, no, never, nobody ..."""

from __future__ import annotations

from collections.abc import Sequence

from probekit.example import Example
from probekit.tuning.slices import Given, Holds, Known, SlicingFunction, Spans

ENDINGS = ("n't", "n’t")
WORDS = {"not", "no", "never", "none", "nobody", "nothing", "nowhere", "neither", "nor", "cannot", "without", "hardly"}


def build(known: Known) -> Holds:
    """Return whether a word of the example negates."""

    def holds(example: Example, spans: Spans) -> bool:
        forms = [word.lower() for word in example.words]
        return any(form in WORDS or form.endswith(ENDINGS) for form in forms)

    return holds


def candidates(examples: Sequence[Example], least: int) -> Sequence[Given]:
    """Return the one there is."""
    return [{}]


SLICE = SlicingFunction("negation", build, "examples with an English negation", candidates)
