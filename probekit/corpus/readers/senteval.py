"""SentEval probing files (``senteval:FOLDER/bigram_shift.*``): a sentence a line, with its label.

What enters is ``sentence TAB label``, or SentEval's own ``split TAB label TAB sentence`` with the splits
``tr``, ``va``, ``te``. What leaves is an example a line, its words cut at spaces, whose label is the annotation
named after the file (``bigram_shift.te.txt`` -> ``bigram_shift``): the task ``label:bigram_shift`` asks for it. A file
named after its split alone (``train.tsv``, as GLUE's are) gives ``label``; a first line ``sentence TAB label`` is
passed over.

Equal sentences share a group, so that no split by hash parts them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from probekit.corpus.lines import blocks, file_stem
from probekit.corpus.notes import Notes
from probekit.corpus.readers import Reader
from probekit.corpus.readers._rows import Line, column, fault, fields_of
from probekit.corpus.split_names import split_of_name
from probekit.example import Example

_SPLITS = {"tr": "train", "va": "dev", "te": "test"}
_HEADER = ("sentence", "label")
_WORDS = 3
"""Words of a sentence, on average, from which a file of two columns is taken for one of sentences and labels."""


def read(path: Path, notes: Notes) -> Iterator[Example]:
    """Yield the sentences of a file.

    Raises
    ------
    InputError
        A line of another shape than the first.
    """
    name = _label_of(file_stem(path))
    names: tuple[str, ...] = ()
    for first, lines in blocks(path):
        for number, text in enumerate(lines, first):
            line = Line(number, text)
            if number == 1 and tuple(text.lower().split("\t")) == _HEADER:
                notes.count("lines that name the columns", f"{path}:1")
                continue
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


def _label_of(stem: str) -> str:
    """Return the annotation that a file gives: of ``train.tsv``, which says a split alone, ``label``."""
    name = stem.partition(".")[0]
    return "label" if split_of_name(name) else name


def split_of(stem: str) -> str | None:
    """Return the split of a file: ``bigram_shift.va`` -> ``dev``."""
    return _SPLITS.get(stem.rpartition(".")[2]) or split_of_name(stem)


def recognises(stem: str, head: Sequence[str]) -> bool:
    """Tell whether the first lines are sentences with a label of one word, in one of the two forms."""
    rows = [line.split("\t") for line in head]
    if all(len(fields) == 3 for fields in rows):
        return bool(rows) and all(fields[0] in _SPLITS and len(fields[1].split()) == 1 for fields in rows)
    # A list of words with numbers has the same tabs: sentences are longer.
    return all(len(fields) == 2 and len(fields[1].split()) == 1 for fields in rows) and sum(
        len(fields[0].split()) for fields in rows
    ) >= _WORDS * len(rows)


READER = Reader("senteval", read, also=(".txt", ".tsv"), recognises=recognises, split_of=split_of)
