"""``bigram-shift:CORPUS``: two neighbouring words of half of the sentences are swapped.

Needs nothing but words. The two words differ, case ignored, and a last word without letters (the full stop) stays
last, so that some short sentences cannot be changed and are left out. The task ``label:bigram_shift`` asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from probekit.corpus.readers._perturbation import Change, Words, perturbation_reader
from probekit.example import Example

SHORTEST = 4


def begin(examples: Iterable[Example]) -> Change:
    """Return the change; the corpus as a whole plays no part."""
    return swapped


def swapped(example: Example, draw: Random) -> Words | None:
    """Swap two neighbours, drawn evenly among those that differ."""
    words = example.words
    last = len(words) - (not any(map(str.isalnum, words[-1])))
    places = [i for i in range(last - 1) if words[i].lower() != words[i + 1].lower()]
    if len(words) < SHORTEST or not places:
        return None
    i = draw.choice(places)
    return (*words[:i], words[i + 1], words[i], *words[i + 2 :])


READER = perturbation_reader("bigram-shift", begin)
