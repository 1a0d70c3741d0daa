"""Definite pronouns (``dpr:FOLDER``): sentences in which world knowledge tells whom a pronoun means, mostly in twins.

What enters is blocks of four lines, a blank line behind each: the sentence, the pronoun, the candidates with commas
between them, and the one it means (the Definite Pronoun Resolution data of Rahman & Ng 2012, the Winograd Schema
Challenge and the Pronoun Disambiguation Problems in that form). What leaves is an example a block with the spans
``pronoun`` and ``candidates``; a candidate's label is ``same`` if the pronoun means it, else ``other``. The files
that ``train``, ``dev`` and ``test`` begin (``train.c.txt``) are the splits; others of a folder stay out beside them.

Where the lines leave it open, of the places that have the same words, capitals aside:

- the pronoun is the first behind the first place of every candidate, else the last;
- a candidate is the nearest before the pronoun, else the first behind it; one that does not occur is looked for
  without its article or possessive (``the suitcase`` in "the brown suitcase"), and left out if that fails;
- ``[MASK]`` in place of a pronoun is one word, since the files do not tell the pronoun.

The notes count each of these. Neighbours that share a candidate, or three quarters of their words, share a group, so
that no split by hash parts twins; it is why some groups hold two pairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from probekit.corpus.lines import file_stem
from probekit.corpus.notes import Notes
from probekit.corpus.readers import Reader
from probekit.corpus.readers._rows import Line, fault, sentences
from probekit.corpus.readers._tokenise import tokenise, tokenise_at_marks
from probekit.example import SPLITS, Example, Span

MASK = "[MASK]"
ALIKE = 0.75
"""The share of the shorter sentence's words from which two neighbours are twins whatever their candidates."""
_LINES = ("the sentence", "the pronoun", "the candidates", "the answer")
_DETERMINER = re.compile(r"(?:the|an?|my|your|his|her|its|our|their)\s+(?=\S)", re.IGNORECASE)


class Block(NamedTuple):
    """A sentence, its pronoun, whom it may mean, and the index of whom it does."""

    sentence: str
    pronoun: str
    candidates: list[str]
    answer: int


class _Place(NamedTuple):
    start: int
    stop: int


def read(path: Path, notes: Notes) -> Iterator[Example]:
    """Yield the sentences of a file.

    Raises
    ------
    InputError
        A block that has not four lines, a pronoun that is not in its sentence, fewer than two candidates, an
        answer that is none of them.
    """
    before: Block | None = None
    pairs = 0
    for _, rows in sentences(path, notes, lambda text: False):
        block = block_of(path, rows)
        if before is None or not twins(before, block):
            pairs += 1
        before = block
        marks = marks_of(path, rows, block, notes)
        words, spans = tokenise_at_marks(block.sentence, marks, solid=MASK)
        layers = {"pronoun": tuple(spans[:1]), "candidates": tuple(spans[1:])}
        notes.at(path, rows[0].number)
        yield Example("", words, block.sentence, spans=layers, group=f"{file_stem(path)}:pair:{pairs - 1}")


def block_of(path: Path, rows: list[Line]) -> Block:
    """Return what the lines of a block say.

    Raises
    ------
    InputError
        Another number of lines, fewer than two candidates or one twice, an answer that is none of them.
    """
    if len(rows) != len(_LINES):
        at = rows[min(len(rows) - 1, len(_LINES))]
        problem = f"a block of {len(rows)} line{'s'[: len(rows) != 1]} instead of {len(_LINES)}"
        raise fault(path, at, 1, problem, f"Write {', '.join(_LINES)} and a blank line")
    sentence, pronoun, listed, answer = (row.text.strip() for row in rows)
    candidates = [candidate.strip() for candidate in listed.split(",")]
    folded = [candidate.casefold() for candidate in candidates]
    if len(candidates) < 2 or not all(candidates):
        problem = f"{listed!r:.40} does not list candidates"
        raise fault(path, rows[2], 1, problem, "Write at least two, with a comma between them")
    if len(set(folded)) < len(folded):
        raise fault(path, rows[2], 1, f"{listed!r:.40} lists a candidate twice", "Write each once")
    if answer.casefold() not in folded:
        problem = f"the answer {answer!r:.40} is none of the candidates {listed!r:.60}"
        raise fault(path, rows[3], 1, problem, "Write one of them")
    return Block(sentence, pronoun, candidates, folded.index(answer.casefold()))


def twins(one: Block, other: Block) -> bool:
    """Tell whether two blocks share a candidate, or most of their words."""
    if {name.casefold() for name in one.candidates} & {name.casefold() for name in other.candidates}:
        return True
    words, others = (set(tokenise(block.sentence.casefold())) for block in (one, other))
    return len(words & others) >= ALIKE * min(len(words), len(others))


def marks_of(path: Path, rows: list[Line], block: Block, notes: Notes) -> list[Span]:
    """Return the places of the pronoun and of the candidates that occur, counted in characters."""
    where = f"{path}:{rows[0].number}"
    found = [_places(block.sentence, candidate) for candidate in block.candidates]
    for i, candidate in enumerate(block.candidates):
        short = _DETERMINER.sub("", candidate, count=1) if _DETERMINER.match(candidate) else ""
        if not found[i] and short and (places := _places(block.sentence, short)):
            notes.count("candidates found without their article or possessive", where)
            found[i] = places
    pronouns = _places(block.sentence, block.pronoun)
    if not pronouns:
        problem = f"the pronoun {block.pronoun!r:.40} does not occur in the sentence before it"
        raise fault(path, rows[1], 1, problem, "Write it as the sentence does")
    if block.pronoun == MASK:
        notes.count(f"pronouns that the file hides: the word is {MASK}", where)
    if len(pronouns) > 1:
        notes.count("pronouns that occur several times: the first behind the candidates is meant", where)
    behind = max((places[0].stop for places in found if places), default=0)
    pronoun = next((place for place in pronouns if place.start >= behind), pronouns[-1])
    marks = [Span(*pronoun, "pronoun")]
    for i, places in enumerate(found):
        before = [place for place in places if place.stop <= pronoun.start]
        after = [place for place in places if place.start >= pronoun.stop]
        if not before and not after:
            notes.count("candidates that do not occur in their sentence, left out", where)
            continue
        if len(before) + len(after) > 1:
            notes.count("candidates that occur several times: the nearest before the pronoun is meant", where)
        marks.append(Span(*(before[-1] if before else after[0]), "same" if i == block.answer else "other"))
    return marks


def _places(sentence: str, phrase: str) -> list[_Place]:
    """Find the whole words of a phrase, whatever their capitals and the spaces between them."""
    pattern = r"\s+".join(map(re.escape, phrase.split()))
    found = re.finditer(rf"(?<!\w){pattern}(?!\w)", sentence, re.IGNORECASE)
    return [_Place(*match.span()) for match in found]


def split_of(stem: str) -> str | None:
    """Return the split that the first part of a file's stem is: ``train.c`` -> ``train``."""
    name = stem.partition(".")[0]
    return name if name in SPLITS else None


def recognises(stem: str, head: Sequence[str]) -> bool:
    """Tell whether the first lines are a sentence, a pronoun in it, candidates, and one of these."""
    sentence, pronoun, candidates, answer, *rest = [*(line.strip() for line in head[:5]), *[""] * 5][:5]
    listed = [candidate.strip().lower() for candidate in candidates.split(",")]
    return (
        not any(rest)
        and len(pronoun.split()) == 1
        and pronoun.lower() in sentence.lower()
        and len(listed) > 1
        and answer.lower() in listed
    )


READER = Reader("dpr", read, also=(".txt",), recognises=recognises, split_of=split_of)
