"""SemEval-2010 task 8 (a folder of its files): sentences with two marked nominals and the relation between them.

What enters are blocks of a numbered sentence in quotation marks with ``<e1>``, ``</e1>``, ``<e2>``, ``</e2>``,
a line with the relation and a comment; what leaves is an example a sentence with the annotation ``relation``
(``Cause-Effect(e2,e1)``; its direction is part of the label) and one span each in ``e1`` and ``e2``.

The sentences are not tokenised; they are cut into words here, at the marks too. Files whose names begin with TRAIN and
TEST are the splits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from probekit.corpus.lines import blocks
from probekit.corpus.notes import Notes
from probekit.corpus.readers import Reader
from probekit.corpus.readers._rows import Line, fault
from probekit.corpus.readers._tokenise import tokenise
from probekit.corpus.split_names import split_of_name
from probekit.example import Example, Span

_SENTENCE = re.compile(r"(\d+)\t\"(.*)\"\s*")
_MARK = re.compile(r"(</?e[12]>)")
_RELATION = re.compile(r"Other|[A-Z][A-Za-z]*(?:-[A-Z][A-Za-z]*)*\((?:e1,e2|e2,e1)\)")
_MARKS = ("<e1>", "</e1>", "<e2>", "</e2>")


def read(path: Path, notes: Notes) -> Iterator[Example]:
    """Yield the sentences of a file.

    Raises
    ------
    InputError
        A block of another shape, marks that are not there once each, an unknown relation.
    """
    block: list[Line] = []
    for first, lines in blocks(path):
        for number, text in enumerate(lines, first):
            if text.strip():
                block.append(Line(number, text))
            elif block:
                yield _example(path, block, notes)
                block = []
    if block:
        yield _example(path, block, notes)


def _example(path: Path, block: Sequence[Line], notes: Notes) -> Example:
    sentence = _SENTENCE.fullmatch(block[0].text)
    if sentence is None:
        advice = 'Write number, tab, "sentence"; a blank line ends a block'
        raise fault(path, block[0], 1, f"{block[0].text!r:.40} is not a numbered sentence in quotation marks", advice)
    if len(block) < 2 or not _RELATION.fullmatch(block[1].text.strip()):
        at = block[1] if len(block) > 1 else block[0]
        raise fault(path, at, 1, f"{at.text!r:.40} is not a relation", "Write Other or Name(e1,e2) or Name(e2,e1)")
    words: list[str] = []
    places: dict[str, int] = {}
    for part in _MARK.split(sentence[2]):
        if part not in _MARKS:
            words += tokenise(part)
        elif part in places or (part[1] == "/" and "<" + part[2:] not in places):
            raise fault(
                path, block[0], block[0].text.index(part) + 1, f"the mark {part} is out of place", "Mark each once"
            )
        else:
            places[part] = len(words)
    missing = [mark for mark in _MARKS if mark not in places]
    if missing:
        raise fault(path, block[0], 1, f"the mark {missing[0]} is missing", "Mark <e1>...</e1> and <e2>...</e2>")
    spans = {}
    for name in ("e1", "e2"):
        start, stop = places[f"<{name}>"], places[f"</{name}>"]
        if start == stop:
            raise fault(path, block[0], 1, f"the nominal {name} has no word", "Mark at least one word")
        spans[name] = (Span(start, stop, name),)
    notes.at(path, block[0].number)
    text = _MARK.sub("", sentence[2])
    return Example(sentence[1], tuple(words), text, {"relation": block[1].text.strip()}, spans)


def split_of(stem: str) -> str | None:
    """Return the split that the first part of a file's stem names: ``TRAIN_FILE`` -> ``train``."""
    return split_of_name(stem.partition("_")[0])


def recognises(stem: str, head: Sequence[str]) -> bool:
    """Tell whether the first line is a numbered sentence with marks, and the second a relation."""
    return (
        len(head) > 1
        and _SENTENCE.fullmatch(head[0]) is not None
        and all(mark in head[0] for mark in _MARKS)
        and _RELATION.fullmatch(head[1].strip()) is not None
    )


READER = Reader("semeval", read, also=(".txt",), recognises=recognises, split_of=split_of)
