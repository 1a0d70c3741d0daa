"""The k-th sentence, counted from 1: of a chat that of the answer, or of the last message; else of the text.

Sentences are the spans ``sentences`` where a corpus has them. Elsewhere a word that ends in ``. ! ? …`` (or their like
in other scripts, with quotes or brackets behind) ends one; abbreviations are not known, so ``Mr.`` ends one too.
``--pool last`` reads the token with which the sentence is over.
"""

from __future__ import annotations

import re

from probekit.example import Example
from probekit.tasks.positions import Found, Position

_END = re.compile(r"[.!?…。！？।؟]+[\"'”’»)\]」』]*$")


def find(example: Example, option: str) -> Found:
    """Return the words of a sentence."""
    number = int(option)
    sentences = _sentences(example)
    return sentences[number - 1] if number <= len(sentences) else f"fewer than {number} sentences"


def _sentences(example: Example) -> list[tuple[int, int]]:
    messages = example.spans.get("messages", ())
    low, high = (messages[-1].start, messages[-1].stop) if messages else (0, len(example.words))
    if given := example.spans.get("sentences"):
        return [(span.start, span.stop) for span in given if low <= span.start < span.stop <= high]
    ends = [at + 1 for at in range(low, high) if _END.search(example.words[at])]
    if not ends or ends[-1] < high:
        ends.append(high)
    return list(zip([low, *ends[:-1]], ends, strict=True))


def _is_number(option: str) -> bool:
    return option.isdecimal() and len(option) <= 9 and int(option) > 0


POSITION = Position("sentence", find, "the words of sentence {option}", option="K", check=_is_number)
