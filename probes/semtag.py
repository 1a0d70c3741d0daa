"""Semantic tag of each word: what it does to the meaning of the sentence, whatever its part of speech.

The corpus must have the column ``semtag`` (Parallel Meaning Bank, some 70 tags). Words without one are left
out.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import word_targets


def targets(example: Example) -> Iterator[Target]:
    """Yield the tag of every word that has one."""
    return word_targets(example, example.annotations["semtag"])


TASK = ProbeTask(
    "semtag",
    targets,
    needs=("semtag",),
    reference="Bjerva, Plank & Bos 2016, Semantic tagging with deep residual networks",
)
