"""Sentences of column files: what enters is lines, what leaves is blocks of comments and rows.

Shared by the readers of column formats. A line of nothing but whitespace (a lone tab) ends a sentence like an empty
one, and is counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from probekit.corpus.lines import blocks, file_stem
from probekit.corpus.notes import Notes
from probekit.errors import InputError
from probekit.example import Span

BIO = re.compile(r"O|[BI]-\S+")
HEADER = "global.columns"
"""The comment that names the columns of a file."""
TAGGED = {"ner": "entities", "chunk": "chunks"}
"""Columns of BIO tags, and the spans that they become."""


class Line(NamedTuple):
    """A line of a file and its number."""

    number: int
    text: str


class Block(NamedTuple):
    """One sentence: the comments before its first row, and its rows."""

    comments: list[Line]
    rows: list[Line]


def sentences(path: Path, notes: Notes, is_comment: Callable[[str], bool]) -> Iterator[Block]:
    """Yield the blocks of a file that have rows; comments without rows stay with the next block.

    Parameters
    ----------
    path : Path
    notes : Notes
    is_comment : callable
        Tells, of a line before the first row of a sentence, whether it is a comment.

    Raises
    ------
    InputError
        See :func:`~probekit.corpus.lines.blocks`.
    """
    block = Block([], [])
    for first, lines in blocks(path):
        for number, text in enumerate(lines, first):
            if not text or text.isspace():
                if text:
                    notes.count("blank lines that hold whitespace", f"{path}:{number}")
                if block.rows:
                    yield block
                    block = Block([], [])
            elif not block.rows and is_comment(text):
                block.comments.append(Line(number, text))
            else:
                block.rows.append(Line(number, text))
    if block.rows:
        yield block


def is_comment(text: str) -> bool:
    """Tell a comment from a row of tab-separated columns, whose first word may begin with ``#``."""
    return text.startswith("# ") or (text.startswith("#") and "\t" not in text)


def value_of(comment: str) -> tuple[str, str]:
    """Return key and value of a comment, ``# sent_id = 3`` -> ``sent_id, 3``."""
    key, _, value = comment.lstrip("#").partition("=")
    return key.strip(), value.strip()


_NEWPAR = re.compile(r"newpar(?:_block|[ _]?(?:par_?)?id)?\s*(?:[=:].*)?", re.IGNORECASE)
_NEWDOC = re.compile(r"newdoc(?:[ _]?(?:doc_?)?id)?\s*(?:[=:]\s*(?P<value>.*))?", re.IGNORECASE)


class Documents:
    """Which document sentences are of, by the comments that begin one (``# newdoc``, ``# newdoc id = 3``)."""

    def __init__(self, path: Path, notes: Notes) -> None:
        self.group: str | None = None
        self._path = path
        self._notes = notes
        self._begun = 0

    def begin(self, name: str = "") -> None:
        """Begin a document; one without a name is numbered."""
        self.group = name or f"{file_stem(self._path)}:document:{self._begun}"
        self._begun += 1

    def comment(self, text: str, number: int) -> None:
        """Take a comment: any form of ``newdoc`` in use begins a document, another is counted and said."""
        key = text.lstrip("#").strip()
        if not key.startswith(("newdoc", "newpar")):
            return
        found = _NEWDOC.fullmatch(key)
        if found:
            self.begin((found["value"] or "").strip())
        elif not _NEWPAR.fullmatch(key):
            what = "comments that begin with newdoc or newpar, but in no known form, so begin nothing"
            self._notes.count(what, f"{self._path}:{number}", aloud=True)


def header_of(head: Sequence[str]) -> tuple[str, ...]:
    """Return the columns, in upper case, that a comment before the first rows of a file names; none where none does."""
    for line in head:
        if line.startswith("#") and value_of(line)[0] == HEADER:
            return tuple(value_of(line)[1].upper().split())
        if line.strip() and not line.startswith("#"):
            break
    return ()


def fields_of(path: Path, line: Line, names: Sequence[str], *, open_end: bool = False) -> list[str]:
    """Cut a row at its tabs.

    Parameters
    ----------
    path : Path
    line : Line
    names : sequence of str
        Of the columns, for messages; their number is the row's width.
    open_end : bool
        There may be more columns behind the named ones.

    Raises
    ------
    InputError
        A row of another width, an empty column.
    """
    fields = line.text.split("\t")
    if len(fields) < len(names) or (len(fields) > len(names) and not open_end):
        at = column(fields, len(names)) if len(fields) > len(names) else len(line.text) + 1
        least = "at least " if open_end else ""
        raise fault(
            path,
            line,
            at,
            f"{len(fields)} column{'s'[: len(fields) != 1]} instead of {least}{len(names)}",
            f"The columns are {' '.join(names)}, separated by one tab each",
        )
    if "" in fields:
        at = fields.index("")
        name = f"the column {names[at]}" if at < len(names) else f"column {at + 1}"
        raise fault(path, line, column(fields, at), f"{name} is empty", "Write a value")
    return fields


def check_numbers(path: Path, rows: Sequence[Line]) -> None:
    """Refuse rows whose first column does not count 1, 2, 3.

    Raises
    ------
    InputError
    """
    for expected, line in enumerate(rows, 1):
        found = line.text.partition("\t")[0]
        if found != str(expected):
            raise fault(path, line, 1, f"the ID is {found!r:.40}, expected {expected}", "Words are numbered 1, 2, 3")


def spans_of_tags(tags: Sequence[str | None]) -> tuple[Span, ...]:
    """Read the spans of BIO tags; an ``I-`` that continues nothing begins a span, as in IOB1.

    >>> spans_of_tags(["B-per", "I-per", "B-per", "O", "I-loc"])
    (Span(start=0, stop=2, label='per'), Span(start=2, stop=3, label='per'), Span(start=4, stop=5, label='loc'))
    """
    found: list[Span] = []
    start, label = 0, ""
    for i, tag in enumerate((*tags, "O")):
        prefix, _, kind = (tag or "O").partition("-")
        if prefix == "I" and kind == label:
            continue
        if label:
            found.append(Span(start, i, label))
        start, label = i, kind
    return tuple(found)


def column(fields: Sequence[str], at: int) -> int:
    """Return the character, from 1, at which a field begins."""
    return sum(map(len, fields[:at])) + at + 1


def fault(path: Path, line: Line, at: int, problem: str, advice: str) -> InputError:
    """Return the error of a place."""
    return InputError(f"{path}:{line.number}:{at}: {problem}. {advice}.")
