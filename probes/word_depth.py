"""Depth of each word in the dependency tree: a structural probe of given ranks.

Each word's target is its head; the probe learns a projection under which squared lengths of words are their
depths. The predicted root is the shallowest word, punctuation passed over. Sentences without exactly one root are
left out.

``word-depth`` takes as punctuation what is tagged ``PUNCT`` (a root excepted), and counts no sentence of one word,
which has no other word to be taken for the root. ``word-depth:hewitt-manning`` counts as the code of the first study
did, for figures to be compared with: punctuation is seven tags of the Penn Treebank (two quotes, comma, stop, colon,
two brackets), hyphens (``HYPH``) and rows of stars or dots (``NFP``) are words, and so is all of a sentence that has
nothing else; the root of one word is always right. On English EWT that is worth some 1.4 points of root accuracy.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import PUNCTUATION, heads, is_punctuation, tree_targets


def targets(example: Example, option: str) -> Iterator[Target]:
    """Yield the head of every word of a sentence whose heads are all known."""
    passed = is_punctuation(example, option)
    if option == "hewitt-manning":
        return tree_targets(example, [each and not all(passed) for each in passed])
    if len(passed) < 2 or all(passed):
        return tree_targets(example, [True] * len(passed))
    return tree_targets(example, [each and head != -1 for each, head in zip(passed, heads(example), strict=True)])


TASK = ProbeTask(
    "word-depth",
    targets,
    kind="tree",
    option="punct or hewitt-manning",
    default_option="punct",
    choices=tuple(PUNCTUATION),
    needs=("head",),
    needs_of=lambda option: (PUNCTUATION[option][0],),
    metrics=("root_accuracy", "nspr"),
    reference="Hewitt & Manning 2019, A structural probe for finding syntax in word representations",
)
