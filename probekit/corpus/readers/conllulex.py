"""CoNLL-U-Lex (``.conllulex``): CoNLL-U and nine columns of lexical semantics, as STREUSLE has them.

What leaves is the example of the first ten columns (see ``conllu.py``) with ``lexcat``, ``supersense`` (of an
adposition: its role in the scene), ``function`` (of an adposition: what it itself means), ``lextag``; None where
the file has ``_``. Surprise: a multiword expression bears its labels on its first word alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from probekit.corpus.lines import blocks
from probekit.corpus.notes import Notes
from probekit.corpus.readers import Reader
from probekit.corpus.readers._conllu import COLUMNS, Builder
from probekit.corpus.readers._rows import HEADER, Line, fields_of, value_of
from probekit.corpus.split_names import split_of_name
from probekit.example import Example

LEXICAL = ("SMWE", "LEXCAT", "LEXLEMMA", "SS", "SS2", "WMWE", "WCAT", "WLEMMA", "LEXTAG")
_NAMES = {"LEXCAT": "lexcat", "SS": "supersense", "SS2": "function", "LEXTAG": "lextag"}


def read(path: Path, notes: Notes) -> Iterator[Example]:
    """Yield the sentences of a file.

    Raises
    ------
    InputError
        For anything that is not CoNLL-U-Lex, with ``file:line:column``.
    """
    builder = Builder(path, notes)
    lexical: list[list[str]] = []
    for first, lines in blocks(path):
        for number, line in enumerate(lines, first):
            if line.startswith("#"):
                # Its columns are known, whether it names them or not.
                if value_of(line)[0] != HEADER:
                    builder.comment(line, number)
            elif line and not line.isspace():
                fields = fields_of(path, Line(number, line), COLUMNS + LEXICAL)
                builder.row("\t".join(fields[: len(COLUMNS)]), number)
                if fields[0].isdigit():
                    lexical.append(fields[len(COLUMNS) :])
            elif builder.lines:
                yield from _closed(builder, lexical)
                lexical = []
    if builder.lines:
        yield from _closed(builder, lexical)


def _closed(builder: Builder, lexical: list[list[str]]) -> Iterator[Example]:
    example = builder.close()
    if example is None:
        return
    columns = dict(zip(LEXICAL, zip(*lexical, strict=True), strict=True))
    added = {
        name: tuple(None if value == "_" else value for value in columns[column]) for column, name in _NAMES.items()
    }
    yield replace(example, annotations={**example.annotations, **added})


def split_of(stem: str) -> str | None:
    """Return the split that a part of a file's stem names: ``streusle.ud_train.rebuilt`` -> ``train``."""
    return next(filter(None, map(split_of_name, re.split(r"[-_.]", stem))), None)


READER = Reader("conllulex", read, suffixes=(".conllulex",), split_of=split_of)
