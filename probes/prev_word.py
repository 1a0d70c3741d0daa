"""Which word stands before each word, case ignored: what a vector keeps of its neighbour.

The 200 previous words most frequent in training are the classes; words after a rarer one are left
out, and so is the first word of a sentence. A word after one that training never showed counts as an error.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import word_targets


def targets(example: Example) -> Iterator[Target]:
    """Yield the word before every word but the first."""
    return word_targets(example, [None, *(word.lower() for word in example.words[:-1])])


TASK = ProbeTask(
    "prev-word",
    targets,
    top_labels=200,
    reference="Zhang & Bowman 2018, Language modeling teaches you more than translation does",
)
