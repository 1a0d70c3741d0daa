"""What a reader left out or met on its way, counted and named: :class:`Notes`.

Surprise: a reader also says here where it stands, so that a fault found later (an id that occurs
twice) is reported with its place.
"""

from __future__ import annotations

from pathlib import Path

PLACES_KEPT = 5


class Notes:
    """Counters of one pass over a corpus.

    Attributes
    ----------
    counts : dict of str to int
        How often each thing happened (``"multiword tokens"``, ``"blank lines"``).
    places : dict of str to list of str
        The first few places, ``file:line``.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.places: dict[str, list[str]] = {}
        self._at: tuple[Path | str, int] | None = None

    def count(self, name: str, place: str, times: int = 1) -> None:
        """Count something that was left out or tolerated at ``place``."""
        self.counts[name] = self.counts.get(name, 0) + times
        kept = self.places.setdefault(name, [])
        if len(kept) < PLACES_KEPT:
            kept.append(place)

    def at(self, source: Path | str, line: int) -> None:
        """Say where the example that is yielded next begins."""
        self._at = (source, line)

    @property
    def place(self) -> str:
        """Where the reader stands, ``"file:line"``, or the empty string where it does not say."""
        return "" if self._at is None else f"{self._at[0]}:{self._at[1]}"

    @property
    def prefix(self) -> str:
        """The place as the beginning of a message, ``"file:line: "`` or the empty string."""
        return f"{self.place}: " if self._at else ""
