"""Which word stands after each word, case ignored: what a vector keeps, or foretells, of its neighbour.

The 200 next words most frequent in training are the classes; words before a rarer one are left out,
and so is the last word of a sentence. A word before one that training never showed counts as an error.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import word_targets


def targets(example: Example) -> Iterator[Target]:
    """Yield the word after every word but the last."""
    return word_targets(example, [*(word.lower() for word in example.words[1:]), None])


TASK = ProbeTask(
    "next-word",
    targets,
    top_labels=200,
    reference="Zhang & Bowman 2018, Language modeling teaches you more than translation does",
)
