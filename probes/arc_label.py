"""Relation of a word to its head, both given: a pair (dependent, head).

The full label (``nsubj:pass``) by default; ``arc-label:universal`` cuts it at the colon. The root
has no head in the sentence and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import heads, pair_target, universal


def targets(example: Example, option: str) -> Iterator[Target]:
    """Yield the relation of every word with a head."""
    for word, (head, relation) in enumerate(zip(heads(example), example.annotations["deprel"], strict=True)):
        label = relation if option == "full" else universal(relation)
        if label is not None and head is not None and head >= 0:
            yield pair_target(example, word, head, label)


TASK = ProbeTask(
    "arc-label",
    targets,
    kind="pair",
    needs=("head", "deprel"),
    option="full or universal",
    default_option="full",
    choices=("full", "universal"),
    reference="Tenney et al. 2019, What do you learn from context? Probing for sentence structure",
)
