"""CoNLL column files: a word a line, its tags behind it, a blank line between sentences (``.conll``, ``.iob``).

What enters is a file whose columns are separated by one tab each, or by blanks. ``columns:word=2,ner=3:FILE`` says
which is what; else a first line ``# global.columns = FORM UPOS NER`` names them (``ID`` is skipped, ``_`` is no
value), or a first row that holds names; else the rows tell (``_column_layout.py``): two are the word and ``ner`` where
the tags are BIO, else ``tag``; three are word, ``xpos`` and ``chunk`` (CoNLL-2000) or ``ner`` (CoNLL-2002), by the
kinds of the tags; four are word, ``xpos``, ``chunk``, ``ner`` (CoNLL-2003). A column that counts is skipped. The
columns taken are said in the output and in reports.

A ``.txt`` or ``.tsv`` file is read too where its first rows are words with BIO tags (CrossNER, CoNLL-2000), or words
with any tags behind tabs and a blank line between sentences.

What leaves is an example a sentence, with one annotation a column and the spans ``entities`` of ``ner``,
``chunks`` of ``chunk``. ``# sent_id``, ``# text``, ``# newdoc`` mean what they mean in CoNLL-U; a line that
begins with ``-DOCSTART-`` begins a document. Surprise: ``#`` may begin a word (a hashtag): a line is a
comment only before the first word of a sentence, and only if it has another number of columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from probekit.corpus.notes import Notes
from probekit.corpus.readers import Reader
from probekit.corpus.readers._column_layout import DOCUMENT, WORDS, ColumnLayout, layout_of, parse_option
from probekit.corpus.readers._delimiters import split_fields
from probekit.corpus.readers._rows import (
    BIO,
    HEADER,
    TAGGED,
    Block,
    Documents,
    Line,
    column,
    fault,
    sentences,
    spans_of_tags,
    value_of,
)
from probekit.example import Example, Span

Annotations = Mapping[str, tuple[str | None, ...]]


def read(path: Path, notes: Notes, chosen: Mapping[str, int] | None = None) -> Iterator[Example]:
    """Yield the sentences of a column file.

    Raises
    ------
    InputError
        Columns that cannot be named, a row of another width, a tag of ``ner`` or ``chunk`` that is not BIO.
    """
    layout = layout_of(path, chosen)
    notes.remark(layout.remark, path)
    documents = Documents(path, notes)
    begun = layout.by != "first row"
    for block in sentences(path, notes, partial(_is_comment, layout)):
        if not begun:
            # The row of names is no word.
            begun, block = True, Block(block.comments, block.rows[1:])
        identifier, text = "", None
        for line in block.comments:
            key, value = value_of(line.text)
            if key == "sent_id":
                identifier = value
            elif key == "text":
                text = value
            else:
                documents.comment(line.text, line.number)
        if block.rows and DOCUMENT in layout.cut(block.rows[0].text):
            documents.begin()
            notes.count("lines that begin a document", f"{path}:{block.rows[0].number}")
            block = Block(block.comments, block.rows[1:])
        if not block.rows:
            continue
        words, annotations = _columns(path, layout, block.rows)
        notes.at(path, block.rows[0].number)
        yield Example(identifier, words, text, annotations, _spans(annotations), documents.group)


def _spans(annotations: Annotations) -> Mapping[str, tuple[Span, ...]]:
    return {layer: spans_of_tags(annotations[name]) for name, layer in TAGGED.items() if name in annotations}


def _is_comment(layout: ColumnLayout, text: str) -> bool:
    """Tell whether a line before a sentence is a comment: no row, or one that a row could not be."""
    if not text.startswith("#"):
        return False
    fields = layout.cut(text)
    if len(fields) != len(layout.names) or value_of(text)[0] == HEADER:
        return True
    return any(name in TAGGED and not BIO.fullmatch(field) for name, field in zip(layout.names, fields, strict=True))


def _columns(path: Path, layout: ColumnLayout, rows: Sequence[Line]) -> tuple[tuple[str, ...], Annotations]:
    """Return words and annotations of the rows of a sentence."""
    table = [_cut(path, layout, line) for line in rows]
    for line, fields in zip(rows, table, strict=True):
        for at, name in enumerate(layout.names):
            if name in TAGGED and not BIO.fullmatch(fields[at]):
                advice = "Correct it, or name the columns in a first line: # global.columns = FORM TAG"
                problem = f"the tag {fields[at]!r:.40} of the column {name} is not BIO (O, B-x or I-x)"
                raise fault(path, line, column(fields, at), problem, advice)
    columns = {name: values for name, values in zip(layout.names, zip(*table, strict=True), strict=True) if name}
    words = columns.pop("word")
    columns.pop("id", None)
    return words, {name: tuple(None if value == "_" else value for value in values) for name, values in columns.items()}


def _cut(path: Path, layout: ColumnLayout, line: Line) -> list[str]:
    fields, names = layout.cut(line.text), layout.names
    if len(fields) != len(names):
        at = column(fields, len(names)) if len(fields) > len(names) else len(line.text) + 1
        problem = f"{len(fields)} column{'s'[: len(fields) != 1]} instead of {len(names)}"
        advice = "All rows have as many columns as the first; a blank line ends a sentence"
        raise fault(path, line, at, problem, advice)
    if "" in fields:
        at = fields.index("")
        called = names[at] or str(at + 1)
        raise fault(path, line, column(fields, at), f"the column {called} is empty", "Write a value")
    return fields


def configured(given: Mapping[str, str]) -> partial[Iterator[Example]]:
    """Return what reads files whose columns the user named: ``columns:word=2,ner=3:FILE``."""
    return partial(read, chosen=parse_option(given))


def recognises(stem: str, head: Sequence[str]) -> bool:
    """Tell whether the first rows are two to four columns: tags behind words.

    Either the last column is BIO tags, with a chunk or name among them; or fields without spaces stand between tabs,
    in blocks with a blank line between. More than one column of BIO tags and nothing else is LitBank's.
    """
    rows = [split_fields(line, tabs="\t" in line) for line in head if line.strip()]
    rows = [fields for fields in rows if fields[0] != DOCUMENT]
    tabs = all("\t" in line for line in head if line.strip() and not line.startswith(DOCUMENT))
    if len({len(fields) for fields in rows}) != 1 or not 2 <= len(rows[0]) <= 4:
        return False
    named = len(rows) > 1 and tabs and sum(field.strip().lower() in WORDS for field in rows[0]) == 1
    rows = rows[1:] if named else rows
    tags = [fields[-1] for fields in rows]
    if all(map(BIO.fullmatch, tags)):
        levels = all(BIO.fullmatch(tag) for fields in rows for tag in fields[1:])
        return (tabs or any(tag != "O" for tag in tags)) and not (levels and len(rows[0]) > 2)
    return (
        tabs
        and (named or _has_blank_line_between(head))
        and not any(len(field.split()) != 1 for fields in rows for field in fields)
    )


def _has_blank_line_between(head: Sequence[str]) -> bool:
    """Tell whether a blank line stands between rows."""
    text = [bool(line.strip()) for line in head]
    return any(not text[at] and any(text[:at]) and any(text[at:]) for at in range(len(text)))


READER = Reader(
    "columns",
    read,
    suffixes=(".conll", ".bio", ".iob", ".annotated"),
    also=(".txt", ".tsv"),
    recognises=recognises,
    configured=configured,
)
