"""Whether each word occurred earlier in the sentence, case ignored: what a vector remembers of its context.

The first word of a sentence is always new. Frequent words are seen more often, so read the score beside the
word-type floor.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import word_targets


def targets(example: Example) -> Iterator[Target]:
    """Yield ``seen`` or ``new`` for every word."""
    met: set[str] = set()
    labels = []
    for word in example.words:
        form = word.lower()
        labels.append("seen" if form in met else "new")
        met.add(form)
    return word_targets(example, labels)


TASK = ProbeTask(
    "seen-before",
    targets,
    reference="Khandelwal et al. 2018, Sharp nearby, fuzzy far away: how neural language models use context",
)
