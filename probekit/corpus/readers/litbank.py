"""LitBank's entities in columns (``entities_tsv.tar.gz``): a word a line, behind it its BIO tag at each level.

What enters are files of one document each, ``the TAB B-PER TAB O TAB O ...``, a blank line between sentences; what
leaves is an example a sentence with the spans ``entities``, outer ones before those inside them. The file's stem is
the group, and the ids are those of LitBank's coreference in CoNLL-2012, so that both join:
``litbank/coref_conll.tar.gz --annotations litbank/entities_tsv.tar.gz``.

Surprise: levels say nothing of nesting. A longer entity may stand in a later column than a shorter one inside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from probekit.corpus.lines import file_stem
from probekit.corpus.notes import Notes
from probekit.corpus.readers import Reader
from probekit.corpus.readers._rows import BIO, Line, column, fault, sentences, spans_of_tags
from probekit.example import Example


def read(path: Path, notes: Notes) -> Iterator[Example]:
    """Yield the sentences of a file.

    Raises
    ------
    InputError
        A row without tags, a tag that is not BIO.
    """
    group = f"{file_stem(path)}.0"
    for ordinal, block in enumerate(sentences(path, notes, lambda text: False)):
        rows = [_fields(path, line) for line in block.rows]
        levels = max(map(len, rows)) - 1
        found = [
            span
            for level in range(1, levels + 1)
            # Rows end in as many empty columns as the writer liked.
            for span in spans_of_tags([fields[level] if level < len(fields) else "O" for fields in rows])
        ]
        found.sort(key=lambda span: (span.start, -span.stop))
        notes.at(path, block.rows[0].number)
        words = tuple(fields[0] for fields in rows)
        yield Example(f"{group}:{ordinal}", words, spans={"entities": tuple(found)}, group=group)


def _fields(path: Path, line: Line) -> list[str]:
    fields = line.text.rstrip("\t").split("\t")
    if len(fields) < 2 or not fields[0]:
        problem = "a row without a word" if not fields[0] else "a word without a tag"
        raise fault(path, line, 1, problem, "The columns are the word and its BIO tag at each level, with tabs")
    for at, tag in enumerate(fields[1:], 1):
        if not BIO.fullmatch(tag):
            raise fault(path, line, column(fields, at), f"the tag {tag!r:.40} is not BIO", "Write O, B-x or I-x")
    return fields


def recognises(stem: str, head: Sequence[str]) -> bool:
    """Tell whether rows are words with BIO tags at two levels or more."""
    rows = [line.rstrip("\t").split("\t") for line in head if line.strip()]
    return bool(rows) and all(len(fields) > 2 and all(map(BIO.fullmatch, fields[1:])) for fields in rows)


READER = Reader("litbank", read, also=(".tsv",), recognises=recognises, rank=1)
