"""Targets whose column of the corpus has a value: ``column:source=gj04``, ``column:upos=NOUN``.

A column of words is read at the words of the target, one of which has the value. The column that the task predicts is
refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from probekit.errors import UsageError
from probekit.example import Example
from probekit.tuning.slices import Given, Holds, Known, SlicingFunction, Spans

MOST_VALUES = 20
"""A search tries no column of more values."""


def build(known: Known, *, name: str = "", value: str = "") -> Holds:
    """Return whether the column ``name`` has the value, written as a text."""
    if not name:
        raise UsageError("A slice by a column is written with a value of it: column:source=gj04.")

    def holds(example: Example, spans: Spans) -> bool:
        found = example.annotations.get(name)
        if not isinstance(found, tuple):
            return found is not None and str(found) == value
        return any(str(one) == value for start, stop in spans for one in found[start:stop])

    return holds


def candidates(examples: Sequence[Example], least: int) -> Iterator[Given]:
    """Yield every value of the columns with 2 to :data:`MOST_VALUES` values, texts or whole numbers."""
    for name in sorted({name for example in examples for name in example.annotations}):
        values: set[str] = set()
        for example in examples:
            own = example.annotations.get(name)
            found = own if isinstance(own, tuple) else (own,)
            values.update(str(one) for one in found if isinstance(one, str | int))
            if len(values) > MOST_VALUES:
                break
        if 2 <= len(values) <= MOST_VALUES:
            yield from ({"name": name, "value": value} for value in sorted(values))


SLICE = SlicingFunction(
    "column",
    build,
    "targets whose column of the corpus has a value",
    candidates,
    reads=lambda options: (str(options.get("name", "")),),
    pair=("name", "value"),
)
