"""Depth of the sentence's tree, in six bins of the training part.

``tree-depth`` asks it of the dependency tree: the number of arcs between the root and the word furthest from it.
``tree-depth:constituents`` asks it of the tree of phrases, as the first study did: the number of phrases around the
word that stands deepest (GUM's trees, the Penn Treebank, which have no dependencies). Longer sentences are deeper,
so read the score beside that of ``sentence-length``. Sentences whose tree is not annotated whole are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.errors import InputError
from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import heads, phrases_around, sentence_target

_NEEDS = {"dependencies": ("head",), "constituents": ("constituents",)}


def targets(example: Example, option: str) -> Iterator[Target]:
    """Yield the depth of the tree where there is one."""
    if option == "constituents":
        depths = list(map(len, phrases_around(example)))
        # A word outside of every phrase, as in a sentence that nobody has parsed, leaves the tree in pieces.
        if min(depths):
            yield sentence_target(example, max(depths))
        return
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
    option="dependencies or constituents",
    default_option="dependencies",
    choices=tuple(_NEEDS),
    needs_of=_NEEDS.__getitem__,
    bins=6,
    reference="Conneau et al. 2018, What you can cram into a single $&!#* vector (there: of constituency trees)",
)
