"""GAP (``gap:FOLDER``): paragraphs of Wikipedia with a pronoun and two names that it may mean.

What enters is tab-separated rows under a header, with the pronoun and the names at character offsets of the text;
what leaves is an example a row with the spans ``pronoun`` and ``candidates``; a name's label is ``same`` if the
pronoun means it, else ``other`` (both may be ``other``). The group is the page.

Surprise: the split follows the data's own use, not its names alone: ``gap-development`` trains, ``gap-validation``
chooses (dev), ``gap-test`` reports.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from probekit.corpus.lines import blocks
from probekit.corpus.notes import Notes
from probekit.corpus.readers import Reader
from probekit.corpus.readers._rows import Line, column, fault, fields_of
from probekit.corpus.readers._tokenise import tokenise_at_marks
from probekit.example import Example, Span

_COLUMNS = (
    "ID", "Text", "Pronoun", "Pronoun-offset", "A", "A-offset", "A-coref", "B", "B-offset", "B-coref", "URL",
)  # fmt: skip
_PRONOUN, _A, _B = (_COLUMNS.index(name) for name in ("Pronoun", "A", "B"))
_LABELS = {"TRUE": "same", "FALSE": "other"}
_SPLITS = {"development": "train", "validation": "dev", "test": "test"}


def read(path: Path, notes: Notes) -> Iterator[Example]:
    """Yield the rows of a file.

    Raises
    ------
    InputError
        Another header, a row of another width, an offset at which the text has something else, a value of
        ``A-coref`` or ``B-coref`` that is neither TRUE nor FALSE.
    """
    for first, lines in blocks(path):
        for number, text in enumerate(lines, first):
            line = Line(number, text)
            if number == 1:
                if text.split("\t") != list(_COLUMNS):
                    advice = f"The first line names the columns: {' '.join(_COLUMNS)}"
                    raise fault(path, line, 1, f"{text!r:.40} is not the header of GAP", advice)
                continue
            fields = fields_of(path, line, _COLUMNS)
            marks = [_mark(path, line, fields, _PRONOUN, "pronoun")]
            for at in (_A, _B):
                label = _LABELS.get(fields[at + 2])
                if label is None:
                    problem = f"{_COLUMNS[at + 2]} is {fields[at + 2]!r:.40}"
                    raise fault(path, line, column(fields, at + 2), problem, "Write TRUE or FALSE")
                marks.append(_mark(path, line, fields, at, label))
            words, spans = tokenise_at_marks(fields[1], marks)
            layers = {"pronoun": tuple(spans[:1]), "candidates": tuple(spans[1:])}
            notes.at(path, number)
            yield Example(fields[0], words, fields[1], spans=layers, group=fields[-1])


def _mark(path: Path, line: Line, fields: Sequence[str], at: int, label: str) -> Span:
    """Return where the text has what column ``at`` says, by the offset in the column behind it."""
    text, name, offset = fields[1], fields[at], fields[at + 1]
    if name != name.strip():
        raise fault(path, line, column(fields, at), f"{_COLUMNS[at]} is {name!r:.40}, with spaces around", "Strip it")
    if not (offset.isascii() and offset.isdigit()):
        problem = f"{_COLUMNS[at + 1]} is {offset!r:.40}, which is no number"
        raise fault(path, line, column(fields, at + 1), problem, "Count the characters of Text before it")
    # A longer number than any text has characters would cost time to read.
    start = int(offset) if len(offset) < 10 else len(text)
    if not text.startswith(name, start):
        there = text[start : start + len(name)]
        problem = f"{name!r:.40} is not at character {offset:.20} of Text, where {there!r:.40} stands"
        raise fault(path, line, column(fields, at + 1), problem, "Offsets count the characters before it, from 0")
    return Span(start, start + len(name), label)


def split_of(stem: str) -> str | None:
    """Return the use of a file: ``gap-development`` -> ``train``."""
    return _SPLITS.get(stem.rpartition("-")[2])


READER = Reader("gap", read, split_of=split_of)
