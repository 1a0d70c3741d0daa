"""Whether the second word of a pair is the head of the first.

Every word that has a head gives one pair with its head and one with another word of the sentence,
drawn by the hash of sentence and word, so that half of the pairs are arcs and the draw is the same
in every run. The root, and words of sentences that have no other word to draw, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import draw, heads, pair_target


def targets(example: Example) -> Iterator[Target]:
    """Yield an arc and a pair that is none for every word with a head."""
    for word, head in enumerate(heads(example)):
        if head is None or head < 0:
            continue
        others = [other for other in range(len(example.words)) if other not in (word, head)]
        if others:
            yield pair_target(example, word, head, "arc")
            yield pair_target(example, word, others[draw(len(others), example.id, word)], "none")


TASK = ProbeTask(
    "arc",
    targets,
    kind="pair",
    needs=("head",),
    reference="Liu et al. 2019, Linguistic knowledge and transferability of contextual representations",
)
