"""The last token that is read: of a chat the template's last one, of BERT ``[SEP]``, of GPT-2 the text's own."""

from __future__ import annotations

from probekit.example import Example
from probekit.tasks.positions import Position


def find(example: Example, option: str) -> tuple[int, int]:
    """Return all words."""
    return 0, len(example.words)


POSITION = Position("last", find, "the last token that is read", closing=True)
