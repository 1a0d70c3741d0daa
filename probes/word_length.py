"""Number of characters of each word, in six bins of the training part.

A memory of word forms solves it for every form seen, so read the score beside the word-type floor.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import word_targets


def targets(example: Example) -> Iterator[Target]:
    """Yield the length of every word, in Unicode code points."""
    return word_targets(example, [len(word) for word in example.words])


TASK = ProbeTask(
    "word-length",
    targets,
    bins=6,
    reference="Kaushal & Mahowald 2022, What do tokens know about their characters and how do they know it?",
)
