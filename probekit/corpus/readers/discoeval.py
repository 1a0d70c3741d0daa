"""DiscoEval files (``discoeval:FOLDER/DC.wiki.*``): a few sentences a line, and what to ask of their order.

What enters is tab-separated sentences, their words cut at spaces, and a label before them, told apart by the
beginning of the file's name; what leaves is an example a line, with the spans ``sentences`` and one annotation:

``SP``   ``place``: where the first of five sentences belongs, 0 to 4;
``BSO``  ``order``: whether two sentences stand as they were written, ``kept`` or ``swapped``;
``DC``   ``coherence``: whether six sentences belong together (1) or one was replaced (0);
``SSP``  ``section``: whether a sentence is from an abstract (1) or not (0).

Surprise: the files of BSO hold ordered pairs alone; half of them, drawn by the hash of their words, are
swapped here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from probekit.corpus.lines import blocks
from probekit.corpus.notes import Notes
from probekit.corpus.readers import Reader
from probekit.corpus.readers._rows import Line, fault, fields_of
from probekit.corpus.records import SENTENCES, one_behind_another
from probekit.errors import InputError, did_you_mean
from probekit.example import Example, Span


class _Kind(NamedTuple):
    name: str
    sentences: int
    labels: tuple[str, ...]


_KINDS = {
    "SP": _Kind("place", 5, ("0", "1", "2", "3", "4")),
    "BSO": _Kind("order", 2, ()),
    "DC": _Kind("coherence", 6, ("0", "1")),
    "SSP": _Kind("section", 1, ("0", "1")),
}


def read(path: Path, notes: Notes) -> Iterator[Example]:
    """Yield the lines of a file.

    Raises
    ------
    InputError
        A name that begins with none of the four kinds, a line of another shape.
    """
    prefix = path.name.partition(".")[0]
    kind = _KINDS.get(prefix)
    if kind is None:
        raise InputError(
            f"{path}: the name of a DiscoEval file begins with {', '.join(_KINDS)} and a full stop."
            f"{did_you_mean(prefix, _KINDS)} Rename it."
        )
    columns = ["LABEL"][: bool(kind.labels)] + [f"SENTENCE{number}" for number in range(1, kind.sentences + 1)]
    for first, lines in blocks(path):
        for number, text in enumerate(lines, first):
            line = Line(number, text)
            fields = fields_of(path, line, columns)
            if kind.labels:
                label = fields.pop(0)
                if label not in kind.labels:
                    raise fault(
                        path, line, 1, f"the label {label!r:.40} is not one of {', '.join(kind.labels)}", "Correct it"
                    )
            else:
                swapped = hashlib.blake2b(text.encode(), digest_size=1).digest()[0] & 1
                label = "swapped" if swapped else "kept"
                fields = fields[::-1] if swapped else fields
            sentences = [field.split() for field in fields]
            if not all(sentences):
                raise fault(path, line, 1, "a sentence without words", "Remove the line")
            notes.at(path, number)
            words, marks = one_behind_another(sentences)
            spans = {SENTENCES: tuple(Span(*mark) for mark in marks)}
            yield Example("", tuple(words), None, {kind.name: label}, spans)


def recognises(stem: str, head: Sequence[str]) -> bool:
    """Tell whether the file is named after a kind, and its first lines have that kind's columns."""
    kind = _KINDS.get(stem.partition(".")[0])
    if kind is None or "." not in stem:
        return False
    tabs = kind.sentences + bool(kind.labels) - 1
    return bool(head) and all(line.count("\t") == tabs for line in head)


READER = Reader("discoeval", read, also=(".txt",), recognises=recognises)
