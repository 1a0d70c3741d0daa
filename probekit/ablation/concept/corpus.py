"""Fewer sentences of a corpus: some of every document in turn.

Enters: a corpus. Leaves: one in memory with the splits that the whole one has, and a sentence that says so.
"""

from __future__ import annotations

from collections import Counter

from probekit.corpus import Corpus, Example
from probekit.example import SPLITS

SHARES = {"train": 4, "dev": 1, "test": 1}
"""Erasers are fitted in spaces of hundreds of dimensions, and want more sentences than a score does."""


def limited(corpus: Corpus, limit: int) -> tuple[Corpus, list[str]]:
    """Return a corpus of ``limit`` sentences of dev and of test, and four times as many of train.

    The first of every document come before the second of any, so that intervals have documents to resample.
    """
    rounds: Counter[tuple[str, str]] = Counter()
    turns: dict[str, list[tuple[int, int]]] = {split: [] for split in SPLITS}
    examples: list[Example] = []
    for place, example in enumerate(corpus):
        examples.append(example)
        split, document = example.split or "train", example.group or example.id
        turns[split].append((rounds[split, document], place))
        rounds[split, document] += 1
    kept = {split: [place for _, place in sorted(those)[: SHARES[split] * limit]] for split, those in turns.items()}
    chosen = sorted(place for places in kept.values() for place in places)
    if len(chosen) == len(examples):
        return corpus, []
    counted = ", ".join(f"{len(places):,} of {split}" for split, places in kept.items())
    return Corpus.from_examples([examples[place] for place in chosen], name=corpus.name), [
        f"Read are {len(chosen):,} of {len(examples):,} sentences, one of every document in turn ({counted}): the "
        "limit leaves out the others."
    ]
