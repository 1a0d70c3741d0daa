"""CoNLL-U Plus: which of the columns that a file names are CoNLL-U's, and which are more: :class:`PlusColumns`.

What enters is the header, then rows; what leaves is rows of the ten columns of CoNLL-U, ``_`` where the file has no
such column, and annotations of those that the file has. ``ID`` and ``FORM`` must be among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probekit.corpus.readers._rows import BIO, HEADER, TAGGED, Line, column, fault, spans_of_tags
from probekit.example import Span

__all__ = ["COLUMNS", "HEADER", "PlusColumns", "plus_columns"]

COLUMNS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")


@dataclass(frozen=True, slots=True)
class PlusColumns:
    """The columns of a file of CoNLL-U Plus.

    Attributes
    ----------
    names : tuple of str
        Upper case, in the order of the file.
    ten : tuple of (int or None)
        Where each of the ten columns of CoNLL-U stands.
    more : tuple of int
        Where the others stand.
    """

    names: tuple[str, ...]
    ten: tuple[int | None, ...]
    more: tuple[int, ...]

    def parted(self, fields: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return the ten columns of a row, and its others."""
        return ["_" if at is None else fields[at] for at in self.ten], [fields[at] for at in self.more]

    def completed(
        self, path: Path, lines: Sequence[Line], annotations: Mapping[str, Any], more: Sequence[Sequence[str]]
    ) -> tuple[dict[str, Any], dict[str, tuple[Span, ...]]]:
        """Return the annotations of the columns that the file has, and the spans of those with BIO tags.

        Raises
        ------
        InputError
            A tag of ``NER`` or ``CHUNK`` that is not BIO.
        """
        found = {name: values for name, values in annotations.items() if name.upper() in self.names}
        spans: dict[str, tuple[Span, ...]] = {}
        for at, values in zip(self.more, zip(*more, strict=True), strict=True):
            name = self.names[at].lower()
            found[name] = tuple(None if value == "_" else value for value in values)
            if name not in TAGGED:
                continue
            for line, value in zip(lines, values, strict=True):
                if value != "_" and not BIO.fullmatch(value):
                    problem = f"the tag {value!r:.40} of the column {name} is not BIO (O, B-x or I-x)"
                    place = column(line.text.split("\t"), at)
                    raise fault(path, line, place, problem, "Correct it, or rename the column")
            spans[TAGGED[name]] = spans_of_tags(found[name])
        return found, spans


def plus_columns(path: Path, line: Line, names: Sequence[str]) -> PlusColumns:
    """Return the columns that a header names.

    Raises
    ------
    InputError
        A name twice, or no ``ID`` or ``FORM``.
    """
    if len(set(names)) < len(names) or not {"ID", "FORM"} <= set(names):
        problem = f"{HEADER} names the columns {' '.join(names)}"
        raise fault(path, line, 1, problem, "Name each column once, ID and FORM among them (else: columns:FILE)")
    ten = tuple(names.index(name) if name in names else None for name in COLUMNS)
    return PlusColumns(tuple(names), ten, tuple(at for at, name in enumerate(names) if name not in COLUMNS))
