"""CoNLL-U treebanks, read strictly: a fault is an error with ``file:line:column``, never a guess.

What enters is a file, what leaves is an example a sentence. Words are the *syntactic* words: lines of
multiword tokens (``3-4``) and of empty nodes (``8.1``) are checked, counted and left out. Annotations,
one value a word: ``lemma, upos, xpos, deprel, misc`` (None where the file has ``_``), ``head`` (0 is the
root; None where the whole sentence has ``_``), ``feats`` (a mapping, empty where the file has ``_``).
``# sent_id`` gives the id, ``# text`` the text, ``# newdoc`` the group (``newdoc id``,
``newdoc docid``, ``newdoc_id``; numbered where it has no id). Where
``# global.Entity`` names the fields of ``Entity=`` in MISC (GUM, CorefUD), its brackets become the spans
``mentions``, whose label is the entity, and ``entities``, whose label is its type.

Heads must form a tree or a forest. No root or a cycle is an error; several roots are kept and counted, for older
treebanks have them. A line of nothing but whitespace ends a sentence.

CoNLL-U Plus and PARSEME's ``.cupt`` name their columns in a first line, ``# global.columns = ID FORM ... PARSEME:MWE``:
of the ten those that are there are read as above, any other is an annotation under its name in lower case
(``parseme:mwe``), and BIO tags of ``NER`` and ``CHUNK`` become the spans ``entities`` and ``chunks``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from probekit.corpus.lines import blocks
from probekit.corpus.notes import Notes
from probekit.corpus.readers import NAMED, Reader
from probekit.corpus.readers._conllu import Builder
from probekit.corpus.readers._rows import header_of
from probekit.example import Example


def read(path: Path, notes: Notes) -> Iterator[Example]:
    """Yield the sentences of a CoNLL-U file.

    Raises
    ------
    InputError
        For anything that is not CoNLL-U, with ``file:line:column``; a column counts characters from 1.
    """
    builder = Builder(path, notes)
    for first, lines in blocks(path):
        for number, line in enumerate(lines, first):
            if line.startswith("#"):
                builder.comment(line, number)
            elif line and not line.isspace():
                builder.row(line, number)
            else:
                if line:
                    notes.count("blank lines that hold whitespace", f"{path}:{number}")
                if builder.lines:
                    example = builder.close()
                    if example is not None:
                        yield example
    if builder.lines:
        example = builder.close()
        if example is not None:
            yield example


def claims(head: Sequence[str]) -> int:
    """Tell whether a file names its columns, among them the ID and the word."""
    names = header_of(head)
    return NAMED if names and {"ID", "FORM"} <= set(names) else 0


READER = Reader("conllu", read, suffixes=(".conllu", ".conllup", ".cupt", ".conll"), claims=claims)
