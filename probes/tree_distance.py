"""Distances in the dependency tree between all words of a sentence: a structural probe of given ranks.

Each word's target is its head; the probe learns a projection under which squared distances between words are
their distances in the tree. Scores pass over punctuation: the edges are those between all other words. Sentences
without exactly one root are left out.

``tree-distance`` takes as punctuation what is tagged ``PUNCT``. ``tree-distance:hewitt-manning`` takes, as the code of
the first study did, seven tags of the Penn Treebank (two quotes, comma, stop, colon, two brackets) for figures to be
compared with: hyphens (``HYPH``) and rows of stars or dots (``NFP``) are words there.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import PUNCTUATION, is_punctuation, tree_targets


def targets(example: Example, option: str) -> Iterator[Target]:
    """Yield the head of every word of a sentence whose heads are all known."""
    return tree_targets(example, is_punctuation(example, option))


TASK = ProbeTask(
    "tree-distance",
    targets,
    kind="tree",
    option="punct or hewitt-manning",
    default_option="punct",
    choices=tuple(PUNCTUATION),
    needs=("head",),
    needs_of=lambda option: (PUNCTUATION[option][0],),
    metrics=("uuas", "dspr"),
    reference="Hewitt & Manning 2019, A structural probe for finding syntax in word representations",
)
