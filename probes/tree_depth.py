"""Depth of the sentence's dependency tree, in six bins of the training part.

The depth is the number of arcs between the root and the word furthest from it. Longer sentences are
deeper, so read the score beside that of ``sentence-length``. Sentences whose tree is not annotated
whole are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.corpus.example import Example
from probekit.errors import InputError
from probekit.tasks import ProbeTask, Target

from ._helpers import heads, sentence_target


def targets(example: Example) -> Iterator[Target]:
    """Yield the depth of the tree where there is one."""
    tree = [head for head in heads(example) if head is not None]
    if len(tree) == len(example.words):
        yield sentence_target(example, max(_depths(tree, example.id)))


def _depths(tree: list[int], where: str) -> list[int]:
    found = {-1: -1}
    for start in range(len(tree)):
        path: list[int] = []
        word = start
        while word not in found:
            if len(path) > len(tree):
                raise InputError(f"The heads of example '{where}' run in a circle. Correct the corpus.")
            path.append(word)
            word = tree[word]
        for step, passed in enumerate(reversed(path), start=1):
            found[passed] = found[word] + step
    return [found[word] for word in range(len(tree))]


TASK = ProbeTask(
    "tree-depth",
    targets,
    kind="sentence",
    needs=("head",),
    bins=6,
    reference="Conneau et al. 2018, What you can cram into a single $&!#* vector (there: of constituency trees)",
)
