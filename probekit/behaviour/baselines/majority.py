"""The commonest answer: what is right of a suite's items if only its habits are known, and no sentence is read.

Enters: items. Leaves: a score for each of their sentences, learnt from the items of other templates. A sentence's
answer is its condition, where that is a part of its text (a candidate) and no name for what is right; else the words
that the item's other sentences lack: of agreement the form of the verb. Its score is how often that answer was right
there, less how often it was wrong. Surprise: an answer that no other template gives scores 0, so that items made of
words of their own are ties, and no errors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from probekit.behaviour.baselines.wording import words_of
from probekit.behaviour.items import Item


def majority_scores(items: Sequence[Item]) -> list[NDArray[np.float64]]:
    """Score the sentences of items by what is right of other templates of the same phenomenon.

    Parameters
    ----------
    items : sequence of Item

    Returns
    -------
    list of float64 arrays
        One an item, a number a sentence.
    """
    answers = [_answers(item) for item in items]
    everywhere: Counter[tuple[str, ...]] = Counter()
    own: Counter[tuple[str, ...]] = Counter()
    for item, its in zip(items, answers, strict=True):
        for place, answer in enumerate(its):
            sign = 1 if place == item.right else -1
            everywhere[item.phenomenon, *answer] += sign
            own[item.template, item.phenomenon, *answer] += sign
    return [
        np.array(
            [everywhere[item.phenomenon, *answer] - own[item.template, item.phenomenon, *answer] for answer in its],
            np.float64,
        )
        for item, its in zip(items, answers, strict=True)
    ]


def _answers(item: Item) -> list[tuple[str, ...]]:
    if all(sentence.condition and sentence.condition.lower() in sentence.text.lower() for sentence in item.sentences):
        return [("condition", sentence.condition) for sentence in item.sentences]
    words = [words_of(sentence.text) for sentence in item.sentences]
    shared = set.intersection(*map(set, words))
    return [("words", *(word for word in its if word not in shared)) for its in words]
