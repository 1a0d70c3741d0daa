"""Sentence pairs with links between their words, drawn by people: :func:`read_aligned`.

Enters: ``NAME.src-tgt`` and ``NAME.gold``. Leaves: pairs. Surprise: the same links are written from 1 by some and from
0 by others, and no file says which, so the reader is told; a 0 among links from 1 is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from probekit.errors import InputError

GOLD, PAIRS = ".gold", ".src-tgt"
_LINK = re.compile(r"([0-9]+)([-p])([0-9]+)")

Link = tuple[int, int]
"""A word of the source and one of the target, from 0."""


@dataclass(frozen=True, slots=True)
class AlignedPair:
    """A sentence, its translation, and the links between them.

    Attributes
    ----------
    source, target : tuple of str
    sure, possible : frozenset of (int, int)
        Words of the source and of the target, from 0; sure links are possible too.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    sure: frozenset[Link]
    possible: frozenset[Link]


def read_aligned(path: Path, *, first_word: int = 1, limit: int | None = None) -> tuple[list[AlignedPair], int, int]:
    """Read sentence pairs with gold links: ``NAME.src-tgt`` (``source ||| target``) and ``NAME.gold`` beside it.

    A link is ``3-4``, a sure one, or ``3p4``, a possible one, source first.

    Parameters
    ----------
    path : Path
        One of the two files, or their name without a suffix.
    first_word : {1, 0}
        The number that the links give to the first word of a sentence.
    limit : int, optional
        Read the first so many pairs alone.

    Returns
    -------
    pairs : list of AlignedPair
    lost : int
        Links that run past the end of a sentence.
    total : int
        Pairs of the file.

    Raises
    ------
    InputError
        A file is missing, or a line is no pair or no links (``file:line``).
    """
    bare = path.with_suffix("") if path.suffix in (GOLD, PAIRS) else path
    texts, golds = (bare.with_name(bare.name + suffix) for suffix in (PAIRS, GOLD))
    for file in (texts, golds):
        if not file.is_file():
            raise InputError(f"There is no file {file}: alignments are a {PAIRS} and a {GOLD} file of one name.")
    # Other ends of lines than these are characters of a text.
    lines = [file.read_text(encoding="utf-8").removesuffix("\n").split("\n") for file in (texts, golds)]
    if len(lines[0]) != len(lines[1]):
        raise InputError(
            f"{texts} has {len(lines[0]):,} lines, and {golds} {len(lines[1]):,}: which links are of which pair is "
            "not known. Give files with a line for each pair."
        )
    found, lost = [], 0
    for number, (text, gold) in enumerate(zip(*(its[:limit] for its in lines), strict=True), start=1):
        source, bar, target = text.partition("|||")
        if not bar:
            raise InputError(f"{texts}:{number}: a pair is 'source ||| target'. Got '{text[:60]}'.")
        words = tuple(source.split()), tuple(target.split())
        sure, possible, out = _links(gold, words, first_word, f"{golds}:{number}")
        lost += out
        found.append(AlignedPair(*words, sure, possible))
    return found, lost, len(lines[0])


def _links(
    line: str, words: tuple[tuple[str, ...], tuple[str, ...]], first: int, where: str
) -> tuple[frozenset[Link], frozenset[Link], int]:
    """Return the sure and the possible links of a line, and how many run past the end of a sentence."""
    sure, possible, lost = set(), set(), 0
    for written in line.split():
        link = _LINK.fullmatch(written)
        if link is None:
            raise InputError(f"{where}: a link is like 3-4 (sure) or 3p4 (possible). Got '{written}'.")
        one, other = int(link[1]) - first, int(link[3]) - first
        if min(one, other) < 0:
            raise InputError(f"{where}: '{written}' counts words from 0. Use --first-word 0.")
        if one >= len(words[0]) or other >= len(words[1]):
            lost += 1
            continue
        possible.add((one, other))
        if link[2] == "-":
            sure.add((one, other))
    return frozenset(sure), frozenset(possible), lost
