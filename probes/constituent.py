"""Constituent around each word: the label of the phrase that holds it, or of one further out.

``constituent`` asks for the parent (the innermost phrase), ``constituent:grandparent`` and
``constituent:great-grandparent`` for the phrases around that one. Labels are cut at their function (``NP-SBJ`` is
``NP``). Words without so many phrases around them are left out. The corpus must have the spans ``constituents``
(the trees of GUM, CC BY 4.0; the Penn Treebank; the built-in language).
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import phrases_around, word_targets

_STEPS = {"parent": 1, "grandparent": 2, "great-grandparent": 3}


def targets(example: Example, option: str) -> Iterator[Target]:
    """Yield the label of the phrase around every word that has it."""
    steps = _STEPS[option]
    around = phrases_around(example)
    return word_targets(example, [labels[-steps] if len(labels) >= steps else None for labels in around])


TASK = ProbeTask(
    "constituent",
    targets,
    needs=("constituents",),
    option="parent, grandparent or great-grandparent",
    default_option="parent",
    choices=tuple(_STEPS),
    joined_by="brackets:FOLDER",
    reference="Blevins, Levy & Zettlemoyer 2018, Deep RNNs encode soft hierarchical syntax",
)
