"""What separates the fields of a line: of a row, of a header, of the first lines of a file that may be a table.

Enters: text. Leaves: fields, or the delimiter that separates them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

DELIMITERS = ",\t;|"
"""What separates the columns of a table; of two that occur equally often the one that stands first here."""
IN_TEXT = ",;"
"""Those of :data:`DELIMITERS` that running text has too."""
_BLANK = re.compile(r"[ \t]+")
_QUOTED = re.compile(r'"[^"]*"')
_SHARE = 0.9
"""Share of the lines that have the same number of fields, from which they are a table."""


@dataclass(frozen=True, slots=True)
class Table:
    """Lines that one delimiter cuts into the same number of fields.

    Attributes
    ----------
    delimiter : str
    rows : list of list of str
        The fields of each line that is not blank.
    width : int
        The number of fields that most lines have.
    """

    delimiter: str
    rows: list[list[str]]
    width: int


def split_fields(row: str, *, tabs: bool) -> list[str]:
    """Cut a row at its tabs, or at its blanks."""
    return row.split("\t") if tabs else _BLANK.split(row.strip(" \t"))


def delimiter_of(header: str) -> str:
    """Return what separates the names of a first line: the most frequent delimiter outside of quotes."""
    bare = _QUOTED.sub("", header)
    return max(DELIMITERS, key=lambda delimiter: (bare.count(delimiter), -DELIMITERS.index(delimiter)))


def tables_of(lines: Sequence[str]) -> Iterator[Table]:
    """Yield the tables that lines may be, by delimiter, the surest first: those that running text has come last."""
    for delimiter in sorted(DELIMITERS, key=IN_TEXT.find):
        rows = [line.split(delimiter) for line in lines if line.strip()]
        widths = Counter(len(fields) for fields in rows if all(field.strip() for field in fields))
        width, count = widths.most_common(1)[0] if widths else (0, 0)
        if width > 1 and count >= max(2, _SHARE * len(rows)):
            yield Table(delimiter, rows, width)
