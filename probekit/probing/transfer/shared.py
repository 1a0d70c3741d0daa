"""Texts that two data sets share: a test on what was trained on is no transfer.

Enters: names of data sets, the examples of each with their splits. Leaves: the lines that a report must have. Surprise:
dev of what is trained on chooses layer and strength, so its texts are not new either; they are counted apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from probekit.corpus.repeats import text_key
from probekit.example import Example

Keys = Mapping[str, list[int]]
"""Of each split, what its texts are known by."""


def keys_by_split(examples: Iterable[Example]) -> Keys:
    """Return what the texts of each split are known by."""
    found: dict[str, list[int]] = {"train": [], "dev": [], "test": []}
    for example in examples:
        found[example.split or "train"].append(text_key(example.words))
    return found


def shared_notes(sets: Mapping[str, Keys]) -> list[str]:
    """Say of every pair how many test texts of the one are training or dev texts of the other.

    Parameters
    ----------
    sets : mapping of str to mapping
        Of each data set by its name, :func:`keys_by_split`.
    """
    notes = []
    for trained, own in sets.items():
        train, dev = set(own["train"]), set(own["dev"])
        for tested, other in sets.items():
            known = sum(key in train for key in other["test"])
            chosen = sum(key in dev and key not in train for key in other["test"])
            if not known + chosen or (trained == tested and not known):
                continue
            parts = [f"{known:,} are training examples of {trained}"] if known else []
            parts += [f"{chosen:,} are of its dev, which chose the layer"] if chosen else []
            what = "memory" if trained == tested else "no transfer"
            notes.append(
                f"Of {len(other['test']):,} test examples of {tested}, {', '.join(parts)}: that part is {what}."
            )
    return notes
