"""What a reader left out or met on its way, counted and named: :class:`Notes`.

A reader also says here where it stands, so that a fault found later (an id that occurs twice) is reported with its
place.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

PLACES_KEPT = 5


def list_names(names: Sequence[str], most: int = PLACES_KEPT) -> str:
    """Write names one after the other, those beyond ``most`` as their number.

    >>> named(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


class Notes:
    """What is said of one pass over a corpus: counters, and remarks for whoever reads the output or a report.

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
        # remark -> the files it is made of
        self._remarks: dict[str, list[str]] = {}
        self._aloud: dict[str, None] = {}

    def remark(self, text: str, source: Path | None = None) -> None:
        """Say something that decides what the data means: the columns taken, a reader chosen by a file's first lines.

        Parameters
        ----------
        text : str
            A sentence without its full stop. Said once, however often it is made.
        source : Path, optional
            The file it is made of; the files of one sentence are named behind it.
        """
        files = self._remarks.setdefault(text, [])
        if source is not None and source.name not in files:
            files.append(source.name)

    @property
    def remarks(self) -> tuple[str, ...]:
        """The remarks, one sentence each, in the order in which they were first made."""
        made = (f"{text}{f' ({list_names(files)})' if files else ''}." for text, files in self._remarks.items())
        counted = (f"{self.counts[name]:,} {name} (first at {self.places[name][0]})." for name in self._aloud)
        return (*made, *counted)

    def count(self, name: str, place: str, times: int = 1, *, aloud: bool = False) -> None:
        """Count something that was left out or tolerated at ``place``; ``aloud`` makes a remark of it too."""
        if aloud:
            self._aloud[name] = None
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
