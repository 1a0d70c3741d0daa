"""PropBank roles in columns (``.conll``): ID, word, tag, lemma, roleset, then one column of brackets a predicate.

What enters is the CoNLL-2005 bracket notation (``(ARG0*``, ``*``, ``*)``); what leaves is an example a
sentence with ``xpos``, ``roleset`` (None on words that are no predicate) and ``roles``: for each word the
spans that fill its roles, empty where it is no predicate. ``# sent_id`` gives the id.

The predicate is the word that bears the roleset; the brackets ``V`` and ``C-V`` around it and its particles are no
roles and are left out. Continued (``C-``) and relative (``R-``) roles are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from probekit.corpus.notes import Notes
from probekit.corpus.readers import SHAPED, Reader
from probekit.corpus.readers._rows import (
    Line,
    check_numbers,
    column,
    fault,
    fields_of,
    is_comment,
    sentences,
    value_of,
)
from probekit.example import Example, Span

COLUMNS = ("ID", "FORM", "XPOS", "LEMMA", "ROLESET")
_CELL = re.compile(r"(?:\(([^()*\s]+))?\*(\))?")
_PREDICATE = ("V", "C-V")


def read(path: Path, notes: Notes) -> Iterator[Example]:
    """Yield the sentences of a file.

    Raises
    ------
    InputError
        A row of another shape, as many columns of roles as there are not rolesets, brackets that do not close.
    """
    for block in sentences(path, notes, is_comment):
        known = dict(value_of(line.text) for line in block.comments)
        check_numbers(path, block.rows)
        rows = [fields_of(path, line, COLUMNS, open_end=True) for line in block.rows]
        predicates = [word for word, fields in enumerate(rows) if fields[4] != "-"]
        width = len(COLUMNS) + len(predicates)
        for line, fields in zip(block.rows, rows, strict=True):
            if len(fields) != width:
                problem = (
                    f"{len(fields)} columns for the {len(predicates)} rolesets of the sentence, which need {width}"
                )
                raise fault(path, line, len(line.text) + 1, problem, "Give each predicate one column of roles")
        roles: list[tuple[Span, ...]] = [()] * len(rows)
        for number, predicate in enumerate(predicates):
            roles[predicate] = _spans(path, block.rows, rows, len(COLUMNS) + number)
        annotations = {
            "xpos": tuple(fields[2] for fields in rows),
            "roleset": tuple(None if fields[4] == "-" else fields[4] for fields in rows),
            "roles": tuple(roles),
        }
        notes.at(path, block.rows[0].number)
        yield Example(known.get("sent_id", ""), tuple(fields[1] for fields in rows), known.get("text"), annotations)


def _spans(path: Path, lines: Sequence[Line], rows: Sequence[list[str]], at: int) -> tuple[Span, ...]:
    """Read one column of brackets, which do not nest."""
    found: list[Span] = []
    start, label = 0, ""
    for word, (line, fields) in enumerate(zip(lines, rows, strict=True)):
        cell = _CELL.fullmatch(fields[at])
        if cell is None or (cell[1] and label) or (cell[2] and not (cell[1] or label)):
            problem = f"{fields[at]!r:.40} does not go on with the brackets above it"
            raise fault(path, line, column(fields, at), problem, "Write (ROLE*, * or *)")
        if cell[1]:
            start, label = word, cell[1]
        if cell[2]:
            if label not in _PREDICATE:
                found.append(Span(start, word + 1, label))
            label = ""
    if label:
        problem = f"the bracket ({label} is not closed"
        raise fault(path, lines[-1], column(rows[-1], at), problem, "Close it with *)")
    return tuple(found)


def claims(head: Sequence[str]) -> int:
    """Tell whether the rows of a file's head have five columns and brackets behind them, a roleset among them."""
    rows = [line.split("\t") for line in head if line.strip() and not is_comment(line)]
    fits = all(
        len(fields) >= len(COLUMNS) and fields[0].isdigit() and all(_CELL.fullmatch(cell) for cell in fields[5:])
        for fields in rows
    )
    # Five columns that end in "-" are of any format: only a predicate with its brackets shows PropBank.
    return SHAPED if fits and any(len(fields) > len(COLUMNS) and fields[4] != "-" for fields in rows) else 0


READER = Reader("propbank", read, suffixes=(".conll",), claims=claims)
