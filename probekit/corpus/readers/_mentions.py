"""Brackets of entities inside one sentence: what enters is begins and ends, what leaves is spans.

An entity may hold a mention of itself, so an end closes the innermost open mention of its entity. What is open when
the sentence ends, or ends without a beginning, lies across sentences.
"""

from __future__ import annotations

from probekit.corpus.notes import Notes
from probekit.example import Span


class Mentions:
    """Collects the mentions of one sentence."""

    def __init__(self) -> None:
        # entity -> first word and type of its open mentions
        self._open: dict[str, list[tuple[int, str]]] = {}
        self._found: list[tuple[int, int, str, str]] = []
        self._across = 0

    def begin(self, entity: str, kind: str, word: int) -> None:
        """Open a mention at a word."""
        self._open.setdefault(entity, []).append((word, kind))

    def end(self, entity: str, word: int) -> None:
        """Close the innermost open mention of an entity, which ends with a word."""
        waiting = self._open.get(entity)
        if not waiting:
            self._across += 1
            return
        start, kind = waiting.pop()
        self._found.append((start, word + 1, entity, kind))

    def close(self, notes: Notes, place: str) -> None:
        """Count what lies across sentences, at the end of this one."""
        across = self._across + sum(map(len, self._open.values()))
        if across:
            notes.count("halves of mentions across sentences", place, across)
        # Outer before inner, left to right.
        self._found.sort(key=lambda found: (found[0], -found[1]))

    def spans(self) -> tuple[Span, ...]:
        """Return the mentions, their label the entity."""
        return tuple(Span(start, stop, entity) for start, stop, entity, _ in self._found)

    def kinds(self) -> tuple[Span, ...]:
        """Return the mentions, their label the type of the entity."""
        return tuple(Span(start, stop, kind) for start, stop, _, kind in self._found)
