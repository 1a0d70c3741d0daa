"""Plain text: a line is a sentence, words are what Unicode whitespace separates.

What enters is a file, what leaves is an example a line, with the line as its ``text``. Surprise:
nothing is tokenised, so "barks." is one word; and U+2028 or a no-break space inside a line separates
words, but ends no line. A file whose lines are a table is not taken, for its tags would become words: who wants that
says ``text:FILE``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from probekit.corpus.lines import blocks
from probekit.corpus.notes import Notes
from probekit.corpus.readers import Reader
from probekit.corpus.readers._delimiters import IN_TEXT, tables_of
from probekit.example import Example

_NAMES = {"word", "form", "token", "text", "sentence", "review", "content", "label", "tag", "tags", "pos", "ner"}
"""What columns are called: commas and semicolons stand in running text too, and part fields only below such names."""


def read(path: Path, notes: Notes) -> Iterator[Example]:
    """Yield the sentences of a text file; blank lines are counted and left out."""
    for first, lines in blocks(path):
        for number, line in enumerate(lines, first):
            words = tuple(line.split())
            if words:
                yield Example("", words, line)
            else:
                notes.count("blank lines", f"{path}:{number}")


def declines(head: Sequence[str]) -> str:
    """Say why lines are a table: most have the same number of fields, two or more, and none of these is empty."""
    for table in tables_of(head):
        first = next(fields for fields in table.rows if len(fields) == table.width)
        header = table.rows[0]
        single = all(len(field.split()) == 1 for field in header)
        named = single and not _NAMES.isdisjoint(field.strip().strip('"').lower() for field in header)
        if table.delimiter in IN_TEXT and not named:
            continue
        shown = " | ".join(field.strip()[:30] for field in first[:4])
        what = f"its first lines are a table of {table.width} columns ({shown}), not running text. "
        if named or table.delimiter != "\t":
            names = "Its first line names the columns" if named else "With a first line that names the columns"
            return f"{what}{names}: csv:FILE, for a sentence a line; of a word a line make columns behind tabs."
        return (
            f"{what}A word a line with its tags: columns:FILE, with a blank line between sentences. A sentence a line "
            "with a label behind it: senteval:FILE. Else make JSON lines of it, one object a line with 'words' and the "
            "labels."
        )
    return ""


READER = Reader("text", read, suffixes=(".txt", ".text"), declines=declines, rank=9)
