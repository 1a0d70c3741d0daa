"""Rows of the files of suites: what enters is a table or lines of JSON, what leaves is cells by name with their line.

Files may be gzipped, begin with a byte order mark and end lines with CRLF; see :mod:`probekit.corpus.lines`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from probekit.corpus.lines import blocks, texts
from probekit.corpus.records import check_string, object_of
from probekit.errors import InputError, did_you_mean

HEAD = 5
"""Lines from which a file is recognised."""


class Row(NamedTuple):
    """Cells by the name of their column, and where they stand (``file:line``)."""

    where: str
    cells: Mapping[str, Any]

    def text(self, column: str) -> str:
        """Return a cell that must be a text; blank where the cell is.

        Raises
        ------
        InputError
            There is no such column, or it holds something else.
        """
        if column not in self.cells:
            raise no_column(self.where, column, list(self.cells))
        value = self.cells[column]
        if not isinstance(value, str):
            raise InputError(f"{self.where}: '{column}' must be a text. Got {value!r:.80}.")
        check_string(value, self.where)
        return value.strip()


def no_column(where: str, column: str, there: Sequence[str]) -> InputError:
    """Return the error of a column that is missing."""
    return InputError(
        f"{where}: there is no column '{column}'.{did_you_mean(column, there)} The columns are "
        f"{', '.join(there) or 'none'}. Name it so, or give a file that has it."
    )


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file, numbered from 1.

    Raises
    ------
    InputError
        See :func:`~probekit.corpus.lines.blocks`.
    """
    for first, lines in blocks(path):
        yield from enumerate(lines, first)


def head_of(path: Path, lines: int = HEAD) -> list[str]:
    """Return the first lines of a file; none of one that cannot be read as text."""
    try:
        return [line for _, line in islice(lines_of(path), lines)]
    except InputError:
        return []


def suffix_of(path: Path) -> str:
    """Return the suffix of a file's name, lower case, that before a ``.gz``."""
    return Path(path.name.removesuffix(".gz")).suffix.lower()


def objects(path: Path) -> Iterator[Row]:
    """Yield the objects of a file of JSON lines; blank lines stand for nothing.

    Raises
    ------
    InputError
        ``file:line`` of what is not one JSON object.
    """
    for number, line in lines_of(path):
        if line.strip():
            yield Row(f"{path}:{number}", object_of(line, path, number))


def table(path: Path, *, needs: Sequence[str] = (), quoted: bool = True, delimiter: str = "\t") -> Iterator[Row]:
    """Yield the rows below the names of the columns; blank ones stand for nothing.

    Parameters
    ----------
    path : Path
    needs : sequence of str
        Columns that must be there.
    quoted : bool
        A cell in double quotes may hold the delimiter.
    delimiter : str

    Raises
    ------
    InputError
        A column that is missing or stands twice (``file:1``), a row with more or fewer cells (``file:line``).
    """
    lines = texts(path)
    if quoted:
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
    else:
        rows = csv.reader(lines, delimiter=delimiter, strict=True, quoting=csv.QUOTE_NONE)
    names: list[str] = []
    while True:
        where = f"{path}:{rows.line_num + 1}"
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise InputError(f"{where}: not a row of a table: {error}. Close the quote, or double it.") from None
        if row is None:
            return
        if not any(cell.strip() for cell in row):
            continue
        if not names:
            names = [name.strip() for name in row]
            for column in needs:
                if column not in names:
                    raise no_column(where, column, names)
            if twice := next((name for name in names if names.count(name) > 1), None):
                raise InputError(f"{where}: the column '{twice}' stands twice. Name each column once.")
            continue
        if len(row) > len(names):
            raise InputError(
                f"{where}: {len(row)} cells under {len(names)} names ({', '.join(names)}). "
                f"{'Quote a cell that holds' if quoted else 'No cell may hold'} {delimiter!r}."
            )
        if len(row) < len(names) and set(needs or names) & set(names[len(row) :]):
            raise InputError(f"{where}: {len(row)} cells under {len(names)} names ({', '.join(names)}).")
        yield Row(where, dict(zip(names, row, strict=False)))


def records(path: Path, needs: Sequence[str] = ()) -> Iterator[Row]:
    """Yield the rows of JSON lines, of a CSV or, by any other suffix, of a table with tabs.

    Raises
    ------
    InputError
        See :func:`objects` and :func:`table`.
    """
    if suffix_of(path) in (".jsonl", ".ndjson"):
        return objects(path)
    return table(path, needs=needs, delimiter="," if suffix_of(path) == ".csv" else "\t")


def names_in(path: Path) -> set[str]:
    """Return the names that the first line gives: the columns of a table, or the keys of an object."""
    head = head_of(path)
    if not head:
        return set()
    if head[0].startswith("{"):
        try:
            return set(object_of(head[0], path, 1))
        except InputError:
            return set()
    delimiter = "\t" if "\t" in head[0] else ","
    return {name.strip().strip('"') for name in head[0].split(delimiter)}


def paragraphs(path: Path) -> Iterator[list[tuple[int, str]]]:
    """Yield the blocks of numbered lines that blank lines part."""
    block: list[tuple[int, str]] = []
    for number, line in lines_of(path):
        if line.strip():
            block.append((number, line.strip()))
        elif block:
            yield block
            block = []
    if block:
        yield block
