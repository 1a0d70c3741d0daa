"""Words that the corpus marks: ``mark:claim`` is the one span of the layer ``claim``; ``marks`` of a row give one."""

from __future__ import annotations

from probekit.example import Example
from probekit.tasks.positions import Found, Position


def find(example: Example, option: str) -> Found:
    """Return the words of the one span of a name."""
    spans = example.spans.get(option, ())
    if len(spans) != 1 or spans[0].start == spans[0].stop:
        return f"{'several marks' if len(spans) > 1 else 'no mark'} '{option}'"
    return spans[0].start, spans[0].stop


POSITION = Position("mark", find, "the words marked '{option}'", option="NAME")
