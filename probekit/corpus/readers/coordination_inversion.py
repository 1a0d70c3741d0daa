"""``coordination-inversion:CORPUS``: the two coordinate clauses of half of the sentences change places.

The corpus must have the columns ``upos``, ``head`` and ``deprel``, or ``xpos`` and the spans ``constituents`` with the
labels of the Penn Treebank. Only sentences are kept whose root is joined with one other verb by a conjunction, each
clause with a subject of its own; of trees of phrases, those whose sentence is two clauses (``S``) of that kind and a
conjunction (``CC``). A capital letter stays at the front, and a full stop at the end. The task
``label:coordination_inversion`` asks for it. Few sentences are of this kind: 464 of training, 48 of dev and 46 of test
in EWT, 324, 74 and 59 in GUM.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import NamedTuple

from probekit.corpus.readers._perturbation import Change, Words, perturbation_reader
from probekit.errors import InputError
from probekit.example import Example, Span

NEEDS = ("upos", "head", "deprel")
PHRASES = ("constituents", "xpos")


class Coordination(NamedTuple):
    """Two clauses: where the conjunction stands, where the second one ends, whether the first word is a name."""

    link: int
    end: int
    named: bool


def begin(examples: Iterable[Example]) -> Change:
    """Return the change.

    Raises
    ------
    InputError
        The corpus has no trees.
    """
    known: set[str] = set()
    for example in examples:
        known.update(example.annotations, example.spans)
        break
    missing = [name for name in NEEDS if name not in known]
    if not missing:
        return inverted
    if known.issuperset(PHRASES):
        return inverted_phrases
    raise InputError(
        f"'coordination-inversion' reads the annotation '{missing[0]}' (or {' and '.join(PHRASES)}), which the corpus "
        "does not have. Give a treebank."
    )


def inverted(example: Example, draw: Random) -> Words | None:
    """Put the second clause first: ``A , and B .`` becomes ``B , and A .``."""
    return _swapped(example.words, _of_dependencies(example))


def inverted_phrases(example: Example, draw: Random) -> Words | None:
    """Put the second clause of a tree of phrases first."""
    return _swapped(example.words, _of_phrases(example))


def _swapped(words: Words, found: Coordination | None) -> Words | None:
    if found is None:
        return None
    comma = found.link - (words[found.link - 1] == ",")
    first, link, other = list(words[:comma]), words[comma : found.link + 1], list(words[found.link + 1 : found.end])
    if not first or not other:
        return None
    if words[0][:1].isupper() and words[0] != "I" and not found.named:
        first[0] = first[0][:1].lower() + first[0][1:]
    if words[0][:1].isupper():
        other[0] = other[0][:1].upper() + other[0][1:]
    return (*other, *link, *first, *words[found.end :])


def _of_dependencies(example: Example) -> Coordination | None:
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
    end = _end(words)
    joined = relations[start] == "cc" and second == list(range(second[0], stop))
    clauses = (root, conjuncts[0])
    if not joined or second[0] == 0 or stop != end or not all(_has_subject(heads, relations, verb) for verb in clauses):
        return None
    return Coordination(start, end, notes["upos"][0] == "PROPN")


def _of_phrases(example: Example) -> Coordination | None:
    words, tags = example.words, example.annotations["xpos"]
    tree = sorted(example.spans["constituents"], key=lambda span: (span.start, -span.stop))
    if not tree or (tree[0].start, tree[0].stop) != (0, len(words)):
        return None
    clauses = _children(tree, 0)
    if [_category(tree[at]) for at in clauses] != ["S", "S"] or not all(_is_clause(tree, at) for at in clauses):
        return None
    first, second = (tree[at] for at in clauses)
    between = list(tags[first.stop : second.start])
    if first.start != 0 or between not in (["CC"], [",", "CC"]) or second.stop != _end(words):
        return None
    return Coordination(second.start - 1, second.stop, str(tags[0]).startswith("NNP"))


def _children(tree: Sequence[Span], top: int) -> list[int]:
    """Return the places of the phrases right below one, in a tree that is sorted outermost first."""
    found, reached = [], tree[top].start
    for at in range(top + 1, len(tree)):
        if tree[at].start >= tree[top].stop:
            break
        if tree[at].start >= reached:
            found.append(at)
            reached = tree[at].stop
    return found


def _is_clause(tree: Sequence[Span], at: int) -> bool:
    """Tell whether a phrase has a subject and a verb phrase behind it."""
    below = [_category(tree[child]) for child in _children(tree, at)]
    return "NP" in below and "VP" in below[below.index("NP") :]


def _category(phrase: Span) -> str:
    return phrase.label.partition("-")[0].partition("=")[0]


def _end(words: Words) -> int:
    """Return where the last word stands that is no full stop."""
    return len(words) - (not any(map(str.isalnum, words[-1])))


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


READER = perturbation_reader("coordination-inversion", begin)
