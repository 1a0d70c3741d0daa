"""Words of running text: what enters is text that nobody tokenised, what leaves is words.

A full stop, comma, hyphen or apostrophe between letters or digits stays inside its word (``don't``, ``3.5``,
``well-known``); any other sign is a word of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from probekit.example import Span

_WORD = re.compile(r"[^\W_]+(?:[.,'’-][^\W_]+)*|\S")
_CLITIC = re.compile(r"['’][^\W_]+")


def tokenise(text: str) -> list[str]:
    """Cut running text into words.

    >>> words_of("Isn't it 3.5 m (or so)?")
    ["Isn't", 'it', '3.5', 'm', '(', 'or', 'so', ')', '?']
    """
    return _WORD.findall(text)


def tokenise_at_marks(text: str, marks: Iterable[Span], *, solid: str = "") -> tuple[tuple[str, ...], list[Span]]:
    """Cut running text into words, at the ends of marked stretches too.

    Parameters
    ----------
    text : str
    marks : iterable of Span
        Stretches counted in characters; each holds more than whitespace.
    solid : str
        A marked stretch of this text is one word, whatever signs are in it.

    Returns
    -------
    words : tuple of str
    spans : list of Span
        The marks in their order, counted in words.

    Notes
    -----
    What an apostrophe leads in behind a mark is one word, as treebanks cut it.

    >>> marked_words("Ann's dog", [Span(0, 3, "owner")])
    (('Ann', "'s", 'dog'), [Span(start=0, stop=1, label='owner')])
    """
    held = list(marks)
    words: list[str] = []
    # character -> how many words end before it
    before = {0: 0}
    start = 0
    for stop in sorted({len(text), *(end for mark in held for end in (mark.start, mark.stop))} - {0}):
        clitic = _CLITIC.match(text, start, stop) if start and text[start - 1].isalnum() else None
        if clitic:
            words.append(clitic[0])
            start = clitic.end()
        piece = text[start:stop]
        words += [piece] if piece == solid else tokenise(piece)
        before[stop] = len(words)
        start = stop
    return tuple(words), [Span(before[mark.start], before[mark.stop], mark.label) for mark in held]
