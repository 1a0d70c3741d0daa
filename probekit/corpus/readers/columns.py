"""CoNLL column files: a word a line, its tags behind it, a blank line between sentences (``.conll``, ``.iob``).

What enters is a file whose columns are separated by one tab each, or by spaces. Columns are named by a
first line ``# global.columns = FORM UPOS NER`` (as in CoNLL-U Plus; ``ID`` is skipped, ``_`` is no value),
else by their number: two are the word and ``ner`` where the first tag is BIO, else ``tag``; three are word,
``xpos``, ``chunk`` (CoNLL-2000); four are word, ``xpos``, ``chunk``, ``ner`` (CoNLL-2003).

A ``.txt`` or ``.tsv`` file is read too where its first rows are words with BIO tags (CrossNER, CoNLL-2000), or words
with any tags behind tabs and a blank line between sentences.

What leaves is an example a sentence, with one annotation a column and the spans ``entities`` of ``ner``,
``chunks`` of ``chunk``. ``# sent_id``, ``# text``, ``# newdoc`` mean what they mean in CoNLL-U; a line that
begins with ``-DOCSTART-`` begins a document. Surprise: ``#`` may begin a word (a hashtag): a line is a
comment only before the first word of a sentence, and only if it has another number of columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from probekit.corpus.example import Example, Span
from probekit.corpus.notes import Notes
from probekit.corpus.readers import Reader
from probekit.corpus.readers._rows import BIO, Block, Documents, Line, column, fault, sentences, spans_of_tags, value_of

_SPANS = {"ner": "entities", "chunk": "chunks"}
_HEADER = "global.columns"
_DOCUMENT = "-DOCSTART-"


def read(path: Path, notes: Notes) -> Iterator[Example]:
    """Yield the sentences of a column file.

    Raises
    ------
    InputError
        Columns that cannot be named, a row of another width, a tag of ``ner`` or ``chunk`` that is not BIO.
    """
    shape = _Shape(path)
    documents = Documents(path, notes)
    for block in sentences(path, notes, shape.is_comment):
        identifier, text = "", None
        for line in block.comments:
            key, value = value_of(line.text)
            if key == "sent_id":
                identifier = value
            elif key == "text":
                text = value
            else:
                documents.comment(line.text, line.number)
        if block.rows[0].text.startswith(_DOCUMENT):
            documents.begin()
            notes.count("lines that begin a document", f"{path}:{block.rows[0].number}")
            block = Block(block.comments, block.rows[1:])
            if not block.rows:
                continue
        words, annotations = shape.columns_of(block.rows)
        notes.at(path, block.rows[0].number)
        yield Example(identifier, words, text, annotations, _spans(annotations), documents.group)


def _spans(annotations: Mapping[str, Any]) -> Mapping[str, tuple[Span, ...]]:
    return {layer: spans_of_tags(annotations[name]) for name, layer in _SPANS.items() if name in annotations}


class _Shape:
    """Separator and names of a file's columns, from its header or its first row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: list[str] = []
        self._header: list[str] = []
        self._tabs = True

    def is_comment(self, text: str) -> bool:
        """Tell whether a line before a sentence is a comment; take the names from a header."""
        if not text.startswith("#"):
            return False
        key, value = value_of(text)
        if key == _HEADER:
            self._header = self._header or [name.lower() for name in value.split()]
            return True
        if self.names:
            return len(self._fields(text)) != len(self.names)
        # The file has shown no row yet: a row would have one of the known numbers of columns.
        return "\t" not in text and ("=" in text or key.startswith("newdoc") or len(text.split()) not in (2, 3, 4))

    def columns_of(self, rows: list[Line]) -> tuple[tuple[str, ...], dict[str, tuple[str | None, ...]]]:
        """Return words and annotations of the rows of a sentence."""
        if not self.names:
            self._settle(rows[0])
        table = [self._cut(line) for line in rows]
        for line, fields in zip(rows, table, strict=True):
            for at, name in enumerate(self.names):
                if name in _SPANS and not BIO.fullmatch(fields[at]):
                    advice = "Correct it, or name the columns in a first line: # global.columns = FORM TAG"
                    problem = f"the tag {fields[at]!r:.40} of the column {name} is not BIO (O, B-x or I-x)"
                    raise fault(self.path, line, column(fields, at), problem, advice)
        columns = dict(zip(self.names, zip(*table, strict=True), strict=True))
        words = columns.pop("word")
        columns.pop("id", None)
        return words, {
            name: tuple(None if value == "_" else value for value in values) for name, values in columns.items()
        }

    def _settle(self, first: Line) -> None:
        """Name the columns, at the first row of the file."""
        self._tabs = "\t" in first.text
        if self._header:
            if self._header.count("form") != 1 or len(set(self._header)) < len(self._header):
                advice = "Name each column once, the one with the words FORM"
                raise fault(
                    self.path, first, 1, f"{_HEADER} names the columns {' '.join(self._header).upper()}", advice
                )
            self.names = ["word" if name == "form" else name for name in self._header]
            return
        fields = self._fields(first.text)
        known = {
            2: ["word", "ner" if BIO.fullmatch(fields[-1]) else "tag"],
            3: ["word", "xpos", "chunk"],
            4: ["word", "xpos", "chunk", "ner"],
        }
        if len(fields) not in known:
            problem = f"the file has {len(fields)} column{'s'[: len(fields) != 1]} without names"
            advice = "Begin it with a line that names them: # global.columns = FORM TAG"
            raise fault(self.path, first, 1, problem, advice)
        self.names = known[len(fields)]

    def _fields(self, text: str) -> list[str]:
        return text.split("\t") if self._tabs else text.split()

    def _cut(self, line: Line) -> list[str]:
        fields = self._fields(line.text)
        if len(fields) != len(self.names):
            at = column(fields, len(self.names)) if len(fields) > len(self.names) else len(line.text) + 1
            problem = f"{len(fields)} column{'s'[: len(fields) != 1]} instead of {len(self.names)}"
            advice = "All rows have as many columns as the first; a blank line ends a sentence"
            raise fault(self.path, line, at, problem, advice)
        if "" in fields:
            at = fields.index("")
            raise fault(self.path, line, column(fields, at), f"the column {self.names[at]} is empty", "Write a value")
        return fields


def recognises(stem: str, head: Sequence[str]) -> bool:
    """Tell whether the first rows are two to four columns: tags behind words.

    Either the last column is BIO tags, with a chunk or name among them; or fields without spaces stand between tabs,
    in blocks with a blank line between. More than one column of BIO tags and nothing else is LitBank's.
    """
    rows = [line.split("\t") if "\t" in line else line.split() for line in head if line.strip()]
    rows = [fields for fields in rows if fields[0] != _DOCUMENT]
    tabs = all("\t" in line for line in head if line.strip() and not line.startswith(_DOCUMENT))
    if len({len(fields) for fields in rows}) != 1 or not 2 <= len(rows[0]) <= 4:
        return False
    tags = [fields[-1] for fields in rows]
    if all(map(BIO.fullmatch, tags)):
        levels = all(BIO.fullmatch(tag) for fields in rows for tag in fields[1:])
        return (tabs or any(tag != "O" for tag in tags)) and not (levels and len(rows[0]) > 2)
    return tabs and _parted(head) and not any(len(field.split()) != 1 for fields in rows for field in fields)


def _parted(head: Sequence[str]) -> bool:
    """Tell whether a blank line stands between rows."""
    text = [bool(line.strip()) for line in head]
    return any(not text[at] and any(text[:at]) and any(text[at:]) for at in range(len(text)))


READER = Reader(
    "columns", read, suffixes=(".conll", ".bio", ".iob", ".annotated"), also=(".txt", ".tsv"), recognises=recognises
)
