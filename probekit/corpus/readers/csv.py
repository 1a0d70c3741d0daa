"""Tables with named columns (``.csv``, ``.tsv``): a row an example, its text in one column, its labels in others.

What enters is a first line of names and rows of cells, quoted as spreadsheets quote them. The column ``words`` or
``text`` (``sentence``, ``review``, ``content``) is split at whitespace; ``id, group, split`` mean what they mean in an
:class:`Example`; any other column is an annotation of the whole example, a number where it is written as one.
``csv:text=body,label=stars:FILE`` names columns of other names, and ``encoding=`` an encoding other than UTF-8. Two
texts of a row (``sentence1`` and ``sentence2``, or ``text=..,second=..``) become its words one behind the other. Rows
of ``messages`` (a cell of JSON), or of a ``prompt`` with its completions, are chats (``_prompts.py``).

Nothing is guessed of which column is the text where none has such a name: that is an error which lists them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from probekit.corpus.lines import texts
from probekit.corpus.notes import Notes
from probekit.corpus.readers import Reader
from probekit.corpus.readers._delimiters import delimiter_of
from probekit.corpus.readers._named import (
    ROLES,
    TEXT_ROLES,
    TEXTS,
    check_options,
    lacking,
    pair_of,
    record_of,
    roles_of,
    roles_remark,
)
from probekit.corpus.readers._prompts import COLUMNS, prompt_columns, prompt_examples, prompts_remark
from probekit.corpus.records import example_from
from probekit.errors import InputError
from probekit.example import Example

LONGEST_CELL = 1 << 26
NAMES = ("id", "group", "split")

_WHOLE, _REAL = re.compile(r"-?(?:0|[1-9]\d{0,14})", re.ASCII), re.compile(r"-?(?:0|[1-9]\d{0,14})\.\d{1,15}", re.ASCII)


def read(
    path: Path, notes: Notes, *, columns: Mapping[str, str] | None = None, encoding: str = "utf-8"
) -> Iterator[Example]:
    """Yield the rows of a file; those without text are counted and left out.

    Parameters
    ----------
    path : Path
    notes : Notes
    columns : mapping of str to str, optional
        Which column is the ``text``, the ``second`` text, the ``label``, the ``id``, the ``group``, the ``split``; of
        chats the ``messages``, the ``prompt``, its ``completion``, ``chosen`` and ``rejected`` ones.
    encoding : str

    Raises
    ------
    InputError
        No column of text, a name that occurs twice, a row with more or fewer cells, a quote that is not closed.
    """
    lines = texts(path, encoding)
    first = next(lines, "")
    delimiter = delimiter_of(first)
    rows = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
    csv.field_size_limit(LONGEST_CELL)
    names: list[str] = []
    roles: dict[str, str] = {}
    prompts: dict[str, str] = {}
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise InputError(f"{path}:{line}: not a row of a table: {error}. Close the quote, or double it.") from None
        if row is None:
            return
        if not names:
            if not any(cell.strip() for cell in row):
                what = "the file is empty" if not first else "the first line is blank"
                raise InputError(f"{path}:1: {what}. Begin it with a line that names the columns, text,label.")
            names = _names(row, path)
            prompts = prompt_columns(names, columns or {}, where=f"{path}:1")
            roles = {} if prompts else roles_of(names, columns or {}, place=f"{path}:1", reader="csv", path=path)
            notes.remark(prompts_remark(prompts) if prompts else roles_remark(roles, names), path)
            continue
        if not any(row):
            notes.count("blank rows", f"{path}:{line}")
            continue
        if len(row) != len(names):
            raise InputError(
                f"{path}:{line}: {len(row)} cells under {len(names)} names ({', '.join(names)}). Quote a cell that "
                f"holds {delimiter!r}."
            )
        notes.at(path, line)
        if prompts:
            said = {name: role for role, name in prompts.items()}
            cells = dict(zip(names, row, strict=True))
            values = {name: _cell(cell, said.get(name, name)) for name, cell in cells.items()}
            yield from prompt_examples(values, prompts, f"{path}:{line}", notes)
            continue
        example = _example(dict(zip(names, row, strict=True)), roles, f"{path}:{line}")
        if example is None:
            notes.count(lacking(roles), f"{path}:{line}", aloud=True)
        else:
            yield example


def _names(row: Sequence[str], path: Path) -> list[str]:
    names = [name.strip() for name in row]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}:1: the column {twice!r} occurs twice. Name every column once, in the first line.")
    return names


def _example(cells: Mapping[str, str], roles: Mapping[str, str], where: str) -> Example | None:
    row = {
        name: cell if roles.get(name) in TEXT_ROLES else _value(cell, roles.get(name, name))
        for name, cell in cells.items()
    }
    record = record_of(row, roles, where)
    return None if record is None else example_from(record, where)


def _cell(cell: str, role: str) -> str | int | float | None:
    """Return a cell of a table of prompts: what is said stays as it is written, an empty cell says nothing."""
    return (cell or None) if role in COLUMNS else _value(cell, role)


def _value(cell: str, role: str) -> str | int | float | None:
    """Return a cell as the number that it writes, None where it is empty; ids and the like stay text."""
    if role in NAMES:
        return cell.strip() or None
    if _WHOLE.fullmatch(cell):
        return int(cell)
    return float(cell) if _REAL.fullmatch(cell) else cell or None


def recognises(stem: str, head: Sequence[str]) -> bool:
    """Tell whether the first line of a ``.tsv`` names a text and its label, or two texts; GLUE's two are SentEval's."""
    names = [name.strip().strip('"').lower() for name in (head[0] if head else "").split("\t")]
    if pair_of(names) is not None:
        return True
    return "label" in names and any(name in TEXTS for name in names) and names != ["sentence", "label"]


def configured(given: Mapping[str, str]) -> partial[Iterator[Example]]:
    """Return what reads under options.

    Raises
    ------
    UsageError
        Another option, or an encoding that Python does not know.
    """
    check_options(given, (*ROLES, *COLUMNS, "encoding"), "csv")
    columns = {name: column for name, column in given.items() if name != "encoding"}
    encoding = given.get("encoding", "utf-8")
    return partial(read, columns=columns, encoding=encoding)


READER = Reader("csv", read, suffixes=(".csv",), also=(".tsv",), recognises=recognises, configured=configured)
