"""Relation of each word to its head, the head not given.

The full label (``nsubj:pass``) by default; ``deprel:universal`` cuts it at the colon. Words without
one are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import universal, word_targets


def targets(example: Example, option: str) -> Iterator[Target]:
    """Yield the relation of every word that has one."""
    relations = example.annotations["deprel"]
    return word_targets(example, relations if option == "full" else [universal(relation) for relation in relations])


TASK = ProbeTask(
    "deprel",
    targets,
    needs=("deprel",),
    option="full or universal",
    default_option="full",
    choices=("full", "universal"),
    reference="Liu et al. 2019, Linguistic knowledge and transferability of contextual representations",
)
