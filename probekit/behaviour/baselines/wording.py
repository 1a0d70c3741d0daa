"""From running text to sentences of words, the same way for the text a baseline learns from and for the items.

Enters: the examples of a corpus, or one string. Leaves: words; punctuation marks are words of their own. Surprise: what
neural models read is never split here, and text that is split already (``has n't``) stays as it is, for its spaces
are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from probekit.example import Example

_WORD = re.compile(r"<unk>|\d+(?:[.,]\d+)+|\w+(?:['-]\w+)*|'\w+|[^\w\s]")
# A mark that ends a sentence with what closes behind it, then a space and what may begin the next one.
_END = re.compile(r"""(?<=[.!?…])(["'”’)\]]*)\s+(?=["'“‘(\[]?[A-Z0-9])""")
_TITLE = re.compile(r"(?:^|[\s\"'“‘(])(?:Mr|Mrs|Ms|Dr|St|Messrs|Mme|Rev|Capt|Col|Gen|Prof|Hon|Esq|No|vs|[A-Z])\.$")


def words_of(text: str, *, lower: bool = False) -> list[str]:
    """Split a sentence into words and punctuation marks; hyphens and apostrophes inside a word stay in it.

    Parameters
    ----------
    text : str
    lower : bool
        Write all words in lower case.

    Examples
    --------
    >>> words_of("Don’t the well-known cats sleep?")
    ["Don't", 'the', 'well-known', 'cats', 'sleep', '?']
    """
    return _WORD.findall((text.lower() if lower else text).replace("’", "'"))


def sentences_of(examples: Iterable[Example], *, lower: bool = False) -> Iterator[list[str]]:
    """Yield the sentences of a corpus as words.

    A line of running text is cut where a sentence ends: behind ``.``, ``!``, ``?`` with what closes there, before a
    capital or a digit, and not behind a title or an initial (``Mr.``, ``J.``). An example without a text has its
    words.

    Parameters
    ----------
    examples : iterable of Example
        As :func:`~probekit.corpus.open_corpus` gives.
    lower : bool
    """
    for example in examples:
        if example.text is None:
            yield [word.lower() for word in example.words] if lower else list(example.words)
            continue
        for sentence in _cut(example.text):
            if words := words_of(sentence, lower=lower):
                yield words


def _cut(line: str) -> Iterator[str]:
    start = 0
    for end in _END.finditer(line):
        if not _TITLE.search(line, start, end.start()):
            yield line[start : end.end(1)]
            start = end.end()
    yield line[start:]
