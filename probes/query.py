"""Whether each word answers to a pattern of the treebank: ``query:upos=NOUN & Number=Plur``.

Conditions are joined by ``&``. Each names a column (``upos``, ``deprel``, ``form``) or, beginning with a capital,
a feature (``Number``), with ``=`` or ``!=`` and values joined by ``|``; alone it asks whether there is a value. A
path before the name leads to other words: ``head.upos=VERB``, ``child.deprel=det`` (some child), ``prev.``,
``next.``, ``head.head.``. The labels are ``yes`` and ``no``.

``query:Tense where upos=VERB & head.upos=VERB`` asks for the value of a column or feature of the words that
answer to the pattern. A word without a value of a column that a condition names (not a feature) is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import word_targets
from ._query import parse


def targets(example: Example, option: str) -> Iterator[Target]:
    """Yield the answer of every word."""
    return word_targets(example, parse(option).labels(example))


def named(example: Example, option: str) -> Iterator[tuple[str, str]]:
    """Yield what the pattern names beside what the words have there."""
    return parse(option).named(example)


TASK = ProbeTask(
    "query",
    targets,
    option="pattern",
    named=named,
    needs_of=lambda option: parse(option).needs,
    top_labels=200,
    trial="upos=NOUN & head.upos=VERB",
    reference="Serikov et al. 2022, Universal and independent: multilingual probing framework",
)
