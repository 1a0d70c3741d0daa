"""Depth of each word in the dependency tree: a structural probe of given ranks.

Each word's target is its head; the probe learns a projection under which squared lengths of words are their
depths. The root is the shallowest word, punctuation (``PUNCT``) passed over. Sentences without exactly one root
are left out.
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
    "word-depth",
    targets,
    kind="tree",
    needs=("head", "upos"),
    metrics=("root_accuracy", "nspr"),
    reference="Hewitt & Manning 2019, A structural probe for finding syntax in word representations",
)
