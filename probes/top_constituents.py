"""What the sentence is made of right below its root, such as ``NP VP .``, from the sentence's vector.

Phrases by their label, cut at its function (``NP-SBJ`` is ``NP``), words that hang from the root by their tag. The
20 sequences most frequent in training are the classes; sentences of a rarer one are left out, and one that training
never showed counts as an error. Sentences whose tree is not
one phrase over all words are left out. The corpus must have the spans ``constituents`` and ``xpos``.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import category, phrases, sentence_target


def targets(example: Example) -> Iterator[Target]:
    """Yield the constituents right below the root."""
    tree = phrases(example)
    n = len(example.words)
    if not tree or (tree[0].start, tree[0].stop) != (0, n):
        return
    below: list[str] = []
    word, rest = 0, iter(tree[1:])
    phrase = next(rest, None)
    while word < n:
        # Outermost first: the next phrase that begins here is a child of the root, those inside it are passed over.
        while phrase is not None and phrase.start < word:
            phrase = next(rest, None)
        if phrase is not None and phrase.start == word:
            below.append(category(phrase.label))
            word = phrase.stop
        else:
            tag = example.annotations["xpos"][word]
            if tag is None:
                return
            below.append(tag)
            word += 1
    yield sentence_target(example, " ".join(below))


TASK = ProbeTask(
    "top-constituents",
    targets,
    kind="sentence",
    needs=("constituents", "xpos"),
    top_labels=20,
    joined_by="brackets:FOLDER",
    reference="Conneau et al. 2018, What you can cram into a single $&!#* vector",
)
