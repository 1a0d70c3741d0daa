r"""Targets with a word, or whose words match a pattern: ``contains:but``, ``contains:pattern=\d{4}``.

Of a task about sentences the words are all of the sentence, of one about words those of the target. Capitals of a word
do not count; a pattern is a regular expression over the words with single spaces between them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from probekit.errors import UsageError
from probekit.example import Example
from probekit.tuning.slices import Given, Holds, Known, SlicingFunction, Spans, words_of


def build(known: Known, *, word: str = "", pattern: str = "") -> Holds:
    """Return whether one of the words is this one, or they match the pattern."""
    if bool(word) == bool(pattern):
        raise UsageError("A slice by words is written contains:WORD or contains:pattern=REGEX, one of both.")
    try:
        found = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"The pattern '{pattern}' of a slice is no regular expression: {error}.") from error
    form = word.lower()

    def holds(example: Example, spans: Spans) -> bool:
        words = words_of(example, spans)
        return any(own.lower() == form for own in words) if form else found.search(" ".join(words)) is not None

    return holds


def candidates(examples: Sequence[Example], least: int) -> Iterator[Given]:
    """Yield every word that stands in ``least`` examples and in at most half of them, the most frequent first."""
    counts = Counter(form for example in examples for form in {word.lower() for word in example.words})
    yield from ({"word": form} for form, n in counts.most_common() if least <= n <= len(examples) / 2)


SLICE = SlicingFunction("contains", build, "targets with a word, or matching a plain pattern", candidates)
