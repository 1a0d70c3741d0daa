"""Words of running text: what enters is text that nobody tokenised, what leaves is words.

Surprise: a full stop, comma, hyphen or apostrophe between letters or digits stays inside its word (``don't``,
``3.5``, ``well-known``); any other sign is a word of its own.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:[.,'’-][^\W_]+)*|\S")


def words_of(text: str) -> list[str]:
    """Cut running text into words.

    >>> words_of("Isn't it 3.5 m (or so)?")
    ["Isn't", 'it', '3.5', 'm', '(', 'or', 'so', ')', '?']
    """
    return _WORD.findall(text)
