"""Parallel Meaning Bank in columns (``.conll``): semantic tags, CCG categories, senses and roles of each token.

What enters are rows whose columns a comment names, ``# tok:gold  sym:gold  sem:gold  cat:gold``; what
leaves is an example a sentence with ``lemma`` (the symbol), ``semtag``, ``ccg``, ``sense`` (WordNet; None
where there is none). ``# newdoc id`` gives group and id, ``# raw sent`` the text.

Surprise: a ``~`` inside a token is a space there (``New~York`` is one token with one category), and so it is
a space in the word that the model reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from probekit.corpus.notes import Notes
from probekit.corpus.readers import Reader
from probekit.corpus.readers._rows import Line, fault, fields_of, is_comment, sentences, value_of
from probekit.example import Example

_LAYERS = {"sym": "lemma", "sem": "semtag", "cat": "ccg", "sns": "sense"}
_NONE = {"sns": "O"}


def read(path: Path, notes: Notes) -> Iterator[Example]:
    """Yield the sentences of a file.

    Raises
    ------
    InputError
        Rows before the comment that names the columns, or of another width.
    """
    layers: list[str] = []
    document, part = "", 0
    for block in sentences(path, notes, is_comment):
        text = None
        for line in block.comments:
            key, value = value_of(line.text)
            if _names_layers(line.text):
                layers = [entry.partition(":")[0] for entry in line.text.removeprefix("# ").split("\t")]
            elif key == "newdoc id":
                document, part = value, 0
            elif key == "raw sent":
                text = value
        first = block.rows[0]
        if not layers:
            raise fault(path, first, 1, "no comment names the columns", "Begin with one: # tok:gold, sem:gold ...")
        columns = dict(zip(layers, zip(*_rows(path, block.rows, layers), strict=True), strict=False))
        words = tuple(_word(token) for token in columns["tok"])
        annotations = {
            name: tuple(None if value == _NONE.get(layer) else value for value in columns[layer])
            for layer, name in _LAYERS.items()
            if layer in columns
        }
        part += 1
        identifier = document if part == 1 else f"{document}#{part}"
        notes.at(path, first.number)
        yield Example(identifier, words, text, annotations, group=document or None)


def _rows(path: Path, lines: Sequence[Line], layers: Sequence[str]) -> Iterator[list[str]]:
    return (fields_of(path, line, layers) for line in lines)


def _word(token: str) -> str:
    return token.replace("~", " ") if token.strip("~") else token


def _names_layers(comment: str) -> bool:
    return comment.startswith("# tok:") and "\t" in comment


def claims(head: Sequence[str]) -> bool:
    """Tell whether a comment of a file's head names the layers."""
    return any(map(_names_layers, head))


READER = Reader("pmb", read, suffixes=(".conll",), claims=claims)
