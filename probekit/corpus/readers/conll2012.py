"""CoNLL-2012 coreference (``.conll``, ``.v4_gold_conll``), as LitBank writes it too.

What enters are documents between ``#begin document`` and ``#end document``: the fourth column is the word,
the last the brackets of coreference (``(3``, ``3)``, ``(3)|(5``, ``-`` or ``_``). What leaves is an example a
sentence, its document the group, with the spans ``mentions`` whose label is the entity's number.

A mention that goes on in the next sentence is left out and counted, for examples are sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from probekit.corpus.notes import Notes
from probekit.corpus.readers import NAMED, Reader
from probekit.corpus.readers._mentions import Mentions
from probekit.corpus.readers._rows import Line, column, fault, sentences
from probekit.example import Example

_BEGIN = re.compile(r"#begin document \((.*)\)(?:; part (\d+))?\s*")
_END = "#end document"
_BRACKET = re.compile(r"\((\d+)(\))?|(\d+)\)")
# document, part, number, word, ..., coreference
_LEAST = 5


def read(path: Path, notes: Notes) -> Iterator[Example]:
    """Yield the sentences of a file.

    Raises
    ------
    InputError
        A row of another width than those before it, a sentence outside a document, brackets that do not match.
    """
    group = ""
    ordinal = 0
    for block in sentences(path, notes, _is_comment):
        for line in block.comments:
            if begin := _BEGIN.fullmatch(line.text):
                group, ordinal = f"{begin[1]}.{int(begin[2] or 0)}", 0
        # The end of a document stands right behind its last sentence in some releases.
        lines = [line for line in block.rows if not line.text.startswith(_END)]
        if not lines:
            continue
        if not group:
            raise fault(path, lines[0], 1, "a sentence outside a document", "Begin with #begin document (name); part 0")
        rows = [_fields(path, line) for line in lines]
        mentions = Mentions()
        for word, (line, fields) in enumerate(zip(lines, rows, strict=True)):
            _take(path, line, fields, mentions, word)
        mentions.close(notes, f"{path}:{lines[0].number}")
        notes.at(path, lines[0].number)
        yield Example(
            f"{group}:{ordinal}",
            tuple(fields[3] for fields in rows),
            spans={"mentions": mentions.spans()},
            group=group,
        )
        ordinal += 1


def _take(path: Path, line: Line, fields: list[str], mentions: Mentions, word: int) -> None:
    cell = fields[-1]
    if cell in ("-", "_"):
        return
    for part in cell.split("|"):
        bracket = _BRACKET.fullmatch(part)
        if bracket is None:
            problem = f"{part!r:.40} is no bracket of coreference"
            raise fault(path, line, column(fields, len(fields) - 1), problem, "Write (3, 3) or (3), joined by |")
        if bracket[1]:
            mentions.begin(bracket[1], "", word)
        if bracket[2] or bracket[3]:
            mentions.end(bracket[1] or bracket[3], word)


def _fields(path: Path, line: Line) -> list[str]:
    # LitBank separates by tabs and ends its rows with one, OntoNotes pads with spaces.
    fields = line.text.removesuffix("\t").split("\t") if "\t" in line.text else line.text.split()
    if len(fields) < _LEAST or not fields[3]:
        problem = f"{len(fields)} columns instead of at least {_LEAST}"
        raise fault(
            path, line, len(line.text) + 1, problem, "The columns are document, part, number, word ... coreference"
        )
    return fields


def _is_comment(text: str) -> bool:
    return text.startswith(("#begin document", _END))


def claims(head: Sequence[str]) -> int:
    """Tell whether a file begins with a document."""
    return NAMED if head and head[0].startswith("#begin document") else 0


READER = Reader("conll2012", read, suffixes=(".conll", ".v4_gold_conll"), claims=claims)
