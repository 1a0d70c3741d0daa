"""``coordination-inversion:CORPUS``: the two coordinate clauses of half of the sentences change places.

The corpus must have the columns ``upos``, ``head`` and ``deprel``. Only sentences are kept whose root is joined with
one other verb by a conjunction, each clause with a subject of its own. A capital letter stays at the front, and a
full stop at the end. The task ``label:coordination_inversion`` asks for it. Surprise: few sentences are of this kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

from probekit.corpus.example import Example
from probekit.corpus.readers._altered import Change, Words, altered
from probekit.errors import InputError

NEEDS = ("upos", "head", "deprel")


def begin(examples: Iterable[Example]) -> Change:
    """Return the change.

    Raises
    ------
    InputError
        The corpus has no trees.
    """
    known: set[str] = set()
    for example in examples:
        known.update(example.annotations)
        break
    missing = [name for name in NEEDS if name not in known]
    if missing:
        raise InputError(
            f"'coordination-inversion' reads the annotation '{missing[0]}', which the corpus does not have. Give a "
            "treebank."
        )
    return inverted


def inverted(example: Example, draw: Random) -> Words | None:
    """Put the second clause first: ``A , and B .`` becomes ``B , and A .``."""
    words, notes = example.words, example.annotations
    heads, relations = notes["head"], notes["deprel"]
    if None in heads or list(heads).count(0) != 1:
        return None
    root = list(heads).index(0)
    conjuncts = [i for i, head in enumerate(heads) if head == root + 1 and relations[i] == "conj"]
    if len(conjuncts) != 1 or notes["upos"][root] != "VERB" or notes["upos"][conjuncts[0]] != "VERB":
        return None
    second = _below(heads, conjuncts[0])
    # A comma before the conjunction belongs to what follows it.
    start, stop = second[0] + (words[second[0]] == ","), second[-1] + 1
    end = len(words) - (not any(map(str.isalnum, words[-1])))
    joined = relations[start] == "cc" and second == list(range(second[0], stop))
    clauses = (root, conjuncts[0])
    if not joined or second[0] == 0 or stop != end or not all(_has_subject(heads, relations, verb) for verb in clauses):
        return None
    comma = start - (words[start - 1] == ",")
    first, link, other = list(words[:comma]), words[comma : start + 1], list(words[start + 1 : end])
    if not first or not other:
        return None
    if words[0][:1].isupper() and words[0] != "I" and notes["upos"][0] != "PROPN":
        first[0] = first[0][:1].lower() + first[0][1:]
    if words[0][:1].isupper():
        other[0] = other[0][:1].upper() + other[0][1:]
    return (*other, *link, *first, *words[end:])


def _below(heads: Sequence[int], top: int) -> list[int]:
    found, order = {top}, [top]
    for parent in order:
        below = [i for i, head in enumerate(heads) if head == parent + 1 and i not in found]
        found.update(below)
        order += below
    return sorted(found)


def _has_subject(heads: Sequence[int], relations: Sequence[str], verb: int) -> bool:
    return any(
        head == verb + 1 and relation.startswith(("nsubj", "csubj", "expl"))
        for head, relation in zip(heads, relations, strict=True)
    )


READER = altered("coordination-inversion", begin)
