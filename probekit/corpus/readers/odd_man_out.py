"""``odd-man-out:CORPUS``: a noun or verb of half of the sentences is replaced by another one of the corpus.

The corpus must have the column ``upos``, or ``xpos`` with the tags of the Penn Treebank (bracketed trees). The
replacement bears the same tags (``xpos`` and features, where there are some) and occurs about as often; clitics
(*'ve*, *'s*) are neither replaced nor put in, since that would show in the spelling. The task ``label:odd_man_out``
asks for it. Of EWT 9,997 sentences of training, 1,452 of dev and 1,395 of test are kept, of GUM 8,299, 1,291 and
1,281. How often its neighbours occur with it is not held equal, as it was in the first study, since that takes counts
of a larger corpus.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

from probekit.corpus.readers._perturbation import Change, Words, perturbation_reader
from probekit.errors import InputError
from probekit.example import Example

SHORTEST = 4
KINDS = ("NOUN", "VERB")
PENN = {"NN": "NOUN", "NNS": "NOUN", **dict.fromkeys(("VB", "VBD", "VBG", "VBN", "VBP", "VBZ"), "VERB")}
"""Tags of the Penn Treebank; its verbs hold auxiliaries, too."""
APOSTROPHES = frozenset("'’`´")
"""What a clitic begins with, and a shortened word (*goin'*, *ma'am*) has."""


def begin(examples: Iterable[Example]) -> Change:
    """Count the nouns and verbs of the training part by tag and frequency."""
    counts: Counter[tuple[str, Any]] = Counter()
    known = False
    for example in examples:
        tagged = "upos" in example.annotations or "xpos" in example.annotations
        known = known or tagged
        if tagged and example.split == "train":
            counts.update((word, tags) for _, word, tags in _candidates(example))
    if not known:
        raise InputError(
            "'odd-man-out' reads the annotation 'upos' or 'xpos', which the corpus does not have. Give a treebank."
        )
    alike: dict[Any, list[str]] = {}
    for (word, tags), count in sorted(counts.items(), key=str):
        alike.setdefault((tags, _band(count)), []).append(word)

    def replaced(example: Example, draw: Random) -> Words | None:
        choices = []
        for place, word, tags in _candidates(example):
            others = [other for other in alike.get((tags, _band(counts[word, tags])), []) if other != word]
            if others:
                choices.append((place, others))
        if len(example.words) < SHORTEST or not choices:
            return None
        place, others = draw.choice(choices)
        return (*example.words[:place], draw.choice(others), *example.words[place + 1 :])

    return replaced


def _candidates(example: Example) -> Iterator[tuple[int, str, Any]]:
    """Yield place, word and tags of nouns and verbs in lower case: a name, a first word or a clitic would stand out."""
    notes = example.annotations
    n = len(example.words)
    none = (None,) * n
    xpos, feats = notes.get("xpos", none), notes.get("feats", none)
    kinds = notes["upos"] if "upos" in notes else map(PENN.get, notes.get("xpos", none))
    for place, (word, kind) in enumerate(zip(example.words, kinds, strict=True)):
        if kind in KINDS and word.islower() and APOSTROPHES.isdisjoint(word):
            yield place, word, (kind, xpos[place], str(feats[place]))


def _band(count: int) -> int:
    """Words of one band differ in frequency by a factor of two at most."""
    return int(math.log2(count)) if count else 0


READER = perturbation_reader("odd-man-out", begin)
