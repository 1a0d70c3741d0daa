"""Distances in the dependency tree between all words of a sentence: a structural probe of given ranks.

Each word's target is its head; the probe learns a projection under which squared distances between words are
their distances in the tree. Scores pass over punctuation (``PUNCT``), as the first study did. Sentences
without exactly one root are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.corpus.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import tree_targets


def targets(example: Example) -> Iterator[Target]:
    """Yield the head of every word of a sentence whose heads are all known."""
    return tree_targets(example)


TASK = ProbeTask(
    "tree-distance",
    targets,
    kind="tree",
    needs=("head", "upos"),
    metrics=("uuas", "dspr"),
    reference="Hewitt & Manning 2019, A structural probe for finding syntax in word representations",
)
