"""SentEval probing files (``senteval:FOLDER/bigram_shift.*``): a sentence a line, with its label.

What enters is ``sentence TAB label``, or SentEval's own ``split TAB label TAB sentence`` with the splits
``tr``, ``va``, ``te``. What leaves is an example a line, its words cut at spaces, whose label is the annotation
named after the file (``bigram_shift.te.txt`` -> ``bigram_shift``): the task ``label:bigram_shift`` asks for it.

Surprise: equal sentences share a group, so that no split by hash parts them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from probekit.corpus.example import Example
from probekit.corpus.lines import blocks, file_stem
from probekit.corpus.notes import Notes
from probekit.corpus.readers import Reader
from probekit.corpus.readers._rows import Line, column, fault, fields_of
from probekit.corpus.split import split_of_name

_SPLITS = {"tr": "train", "va": "dev", "te": "test"}


def read(path: Path, notes: Notes) -> Iterator[Example]:
    """Yield the sentences of a file.

    Raises
    ------
    InputError
        A line of another shape than the first.
    """
    name = file_stem(path).partition(".")[0]
    names: tuple[str, ...] = ()
    for first, lines in blocks(path):
        for number, text in enumerate(lines, first):
            line = Line(number, text)
            names = names or (("SPLIT", "LABEL", "SENTENCE") if text.count("\t") == 2 else ("SENTENCE", "LABEL"))
            fields = fields_of(path, line, names)
            split = None
            if names[0] == "SPLIT":
                split = _SPLITS.get(fields[0])
                if split is None:
                    raise fault(path, line, 1, f"the split {fields[0]!r:.40} is not tr, va or te", "Correct it")
                fields = [fields[2], fields[1]]
            words = tuple(fields[0].split())
            if not words:
                raise fault(path, line, column(fields, 0), "a sentence without words", "Remove the line")
            group = hashlib.blake2b(" ".join(words).encode(), digest_size=8).hexdigest()
            notes.at(path, number)
            yield Example("", words, None, {name: fields[1]}, group=group, split=split)


def split_of(stem: str) -> str | None:
    """Return the split of a file: ``bigram_shift.va`` -> ``dev``."""
    return _SPLITS.get(stem.rpartition(".")[2]) or split_of_name(stem)


READER = Reader("senteval", read, split_of=split_of)
