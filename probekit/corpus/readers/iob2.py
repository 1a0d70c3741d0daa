"""Universal NER files (``.iob2``): ID, word, BIO tag, a second tag, annotator, separated by tabs.

What leaves is an example a sentence with the annotation ``ner`` and the spans ``entities``; ``# sent_id`` gives the
id, ``# text`` the text, ``# newdoc id`` the group. The second tag (other annotators' views) and the annotator are left
out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from probekit.corpus.notes import Notes
from probekit.corpus.readers import Reader
from probekit.corpus.readers._rows import (
    BIO,
    Documents,
    check_numbers,
    column,
    fault,
    fields_of,
    is_comment,
    sentences,
    spans_of_tags,
    value_of,
)
from probekit.example import Example

COLUMNS = ("ID", "FORM", "TAG", "OTHER", "ANNOTATOR")


def read(path: Path, notes: Notes) -> Iterator[Example]:
    """Yield the sentences of a file.

    Raises
    ------
    InputError
        A row of another shape, a tag that is not BIO.
    """
    documents = Documents(path, notes)
    for block in sentences(path, notes, is_comment):
        known = dict(value_of(line.text) for line in block.comments)
        for line in block.comments:
            documents.comment(line.text, line.number)
        check_numbers(path, block.rows)
        rows = [fields_of(path, line, COLUMNS) for line in block.rows]
        for line, fields in zip(block.rows, rows, strict=True):
            if not BIO.fullmatch(fields[2]):
                problem = f"the tag {fields[2]!r:.40} is not BIO"
                raise fault(path, line, column(fields, 2), problem, "Write O, B-x or I-x")
        tags = tuple(fields[2] for fields in rows)
        words = tuple(fields[1] for fields in rows)
        notes.at(path, block.rows[0].number)
        spans = {"entities": spans_of_tags(tags)}
        yield Example(known.get("sent_id", ""), words, known.get("text"), {"ner": tags}, spans, documents.group)


READER = Reader("iob2", read, suffixes=(".iob2",))
