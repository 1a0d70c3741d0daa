"""What several task files share: the targets of every word, the tree of a sentence, a fair draw."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal

from probekit.errors import InputError
from probekit.example import Example, Span
from probekit.tasks import Draft, Target

_WRITTEN_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,4})?\s*", re.ASCII | re.IGNORECASE)
_TRUTH = {"true": Decimal(1), "false": Decimal(0)}


def word_targets(example: Example, labels: Sequence[str | int | float | None]) -> Iterator[Target]:
    """Yield one target a word; a word whose label is None is left out."""
    for i, (word, label) in enumerate(zip(example.words, labels, strict=True)):
        if label is not None:
            yield Target(((i, i + 1),), label, word)


def sentence_target(example: Example, label: str | int | float) -> Target:
    """Return the target of a whole sentence; a sentence is not memorised by its form, so it has no key."""
    return Target(((0, len(example.words)),), label)


def pair_target(example: Example, first: int, second: int, label: str | int | float) -> Target:
    """Return the target of two words; both forms together are what a memory could learn by heart."""
    words = example.words
    return Target(((first, first + 1), (second, second + 1)), label, (words[first], words[second]))


def heads(example: Example) -> list[int | None]:
    """Return the position of every word's head, counted from 0; -1 for the root, None where it is not annotated."""
    found = example.annotations["head"]
    if any(head is not None and not 0 <= head <= len(found) for head in found):
        raise InputError(f"A head of example '{example.id}' is no word of it: {found}. Correct the corpus.")
    return [None if head is None else head - 1 for head in found]


def root(example: Example) -> int | None:
    """Return the position of the (first) root; None where there is none."""
    return next((word for word, head in enumerate(heads(example)) if head == -1), None)


def children(example: Example, parent: int) -> list[int]:
    """Return the positions of the words that depend on ``parent``, left to right."""
    return [word for word, head in enumerate(heads(example)) if head == parent]


def noun_number(example: Example, relation: str) -> Iterator[Target]:
    """Yield whether the first noun in a relation (cut at the colon) to the root is singular or plural."""
    top = root(example)
    if top is None:
        return
    notes = example.annotations
    for word in children(example, top):
        if universal(notes["deprel"][word]) == relation and notes["upos"][word] == "NOUN":
            number = (notes["feats"][word] or {}).get("Number")
            if number in ("Sing", "Plur"):
                yield sentence_target(example, number)
            return


def universal(relation: str | None) -> str | None:
    """Cut a relation at its subtype: ``nsubj:pass`` -> ``nsubj``."""
    return None if relation is None else relation.partition(":")[0]


def draw(n: int, *parts: object) -> int:
    """Draw a number from 0 to n - 1, the same in every run and on every machine for the same parts."""
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") % n


def spans_target(example: Example, places: tuple[tuple[int, int], ...], label: str | int | float) -> Target:
    """Return the target of one or two spans; their words are what a memory could learn by heart."""
    forms = tuple(" ".join(example.words[start:stop]) for start, stop in places)
    return Target(places, label, forms[0] if len(forms) == 1 else forms)


def category(label: str) -> str:
    """Cut the label of a phrase at its function or index: ``NP-SBJ`` and ``NP=2`` are ``NP``."""
    return re.split(r"(?<=.)[-=]", label, maxsplit=1)[0]


def phrases(example: Example) -> list[Span]:
    """Return the constituents left to right, outer ones before those inside them."""
    return sorted(example.spans["constituents"], key=lambda span: (span.start, -span.stop))


def phrases_around(example: Example) -> list[list[str]]:
    """Return the categories of the phrases around every word, outermost first."""
    around: list[list[str]] = [[] for _ in example.words]
    for phrase in phrases(example):
        for word in range(phrase.start, phrase.stop):
            around[word].append(category(phrase.label))
    return around


def plain_label(value: object, name: str, example: Example) -> str | int | float | None:
    """Return a value of a column as a label: text and numbers as they are, True and False as text."""
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, bool)):
        return value
    if isinstance(value, bool):
        return str(value)
    raise InputError(
        f"The annotation '{name}' of example '{example.id}' holds {value!r:.60}, which is neither text nor a number. "
        "Choose another column."
    )


def whole_label(example: Example, name: str) -> str | int | float | None:
    """Return the label that an annotation gives to a whole example.

    Raises
    ------
    InputError
        It has a value for each word, or one that is no label.
    """
    value = example.annotations[name]
    if isinstance(value, tuple):
        raise InputError(
            f"The annotation '{name}' of example '{example.id}' has a value for each word. Ask column:{name} instead."
        )
    return plain_label(value, name, example)


def in_one_spelling(drafts: Sequence[Draft]) -> Sequence[Draft]:
    """Return the targets as they are; refuse labels, mostly numbers, of which one is written in two ways.

    Numbers that are equal are one label already. Of texts nobody knows whether ``1`` and ``1.0`` are one number or
    two names, nor whether ``true`` and ``1`` are one answer. Among words (lemmas, say) a number is a name like any.

    Raises
    ------
    InputError
    """
    counts = Counter(str(draft.target.label) for draft in drafts)
    values = {label: value for label in counts if (value := _written_value(label)) is not None}
    if 2 * sum(counts[label] for label in values) <= len(drafts):
        return drafts
    spelled: dict[Decimal, str] = {}
    for label, value in values.items():
        if (other := spelled.setdefault(value, label)) != label:
            raise InputError(
                f"The labels '{other}' ({counts[other]:,} targets) and '{label}' ({counts[label]:,}) are one value "
                "written in two ways, or two names: which, the corpus does not say. Write them alike if they are one "
                "class; put a letter before them if they are two."
            )
    return drafts


def _written_value(label: str) -> Decimal | None:
    # Not as a float: identifiers of seventeen digits that differ in the last are different labels.
    return Decimal(label) if _WRITTEN_NUMBER.fullmatch(label) else _TRUTH.get(label.strip().lower())


PUNCTUATION = {
    "punct": ("upos", frozenset(("PUNCT",))),
    "hewitt-manning": ("xpos", frozenset(("''", ",", ".", ":", "``", "-LRB-", "-RRB-"))),
}
"""What scores of trees may pass over: the annotation, and its tags."""


def is_punctuation(example: Example, convention: str) -> list[bool]:
    """Return whether each word is what a convention of :data:`PUNCTUATION` passes over."""
    name, tags = PUNCTUATION[convention]
    return [tag in tags for tag in example.annotations[name]]


def tree_targets(example: Example, passed_over: Sequence[bool]) -> Iterator[Target]:
    """Yield the head of every word, where all are known; scores pass over some words."""
    found = heads(example)
    if None not in found:
        for word, (head, passed) in enumerate(zip(found, passed_over, strict=True)):
            assert head is not None
            yield Target(((word, word + 1),), head, example.words[word], passed_over=passed)
