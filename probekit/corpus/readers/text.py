"""Plain text: a line is a sentence, words are what Unicode whitespace separates.

What enters is a file, what leaves is an example a line, with the line as its ``text``. Surprise:
nothing is tokenised, so "barks." is one word; and U+2028 or a no-break space inside a line separates
words, but ends no line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from probekit.corpus.example import Example
from probekit.corpus.lines import blocks
from probekit.corpus.notes import Notes
from probekit.corpus.readers import Reader


def read(path: Path, notes: Notes) -> Iterator[Example]:
    """Yield the sentences of a text file; blank lines are counted and left out."""
    for first, lines in blocks(path):
        for number, line in enumerate(lines, first):
            words = tuple(line.split())
            if words:
                yield Example("", words, line)
            else:
                notes.count("blank lines", f"{path}:{number}")


READER = Reader("text", read, suffixes=(".txt", ".text"), rank=9)
