"""Content words exchanged between items: the control for what words say of one another, without grammar.

Enters: items, and a kind for every content word (:func:`kinds_of` takes it from an annotated corpus: part of speech
and morphology). Leaves: the same items with words of a kind exchanged between items of a phenomenon whose contrast is
the same or of the same kinds. Every word of the suite is as frequent as before and the contrast stays where it is, so
a model that solved the items by which words go together loses that, and one that solved them by grammar does not.
Surprise: an item's n-th word of a kind goes to the n-th place of that kind, so that a subject comes to stand where a
subject stood; whether verbs still take their objects is not looked at, as in the nonce sentences of Gulordava et al.
2018.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from probekit.behaviour.items import Item, Region, Sentence, Skipped
from probekit.behaviour.suites._sentences import contrast
from probekit.errors import InputError

CONTENT = ("NOUN", "VERB", "ADJ", "ADV")
PUREST = 0.9
"""The share of a word's occurrences that must have one kind; a word below it is left where it is."""
UNKNOWN = "they share no content word of a known kind"
ALONE = "no other item has the same contrast and words of the same kinds"
_WORD = re.compile(r"\w+(?:[-']\w+)*")


@dataclass(frozen=True, slots=True)
class Exchanged:
    """Items with their content words exchanged.

    Attributes
    ----------
    items : tuple of Item
        Ids as before; every one differs from what it was.
    skipped : tuple of Skipped
        Items in which nothing could be exchanged.
    moved, kept : int
        Content words that were exchanged, and words of no known kind that were left, in the sentences that are right.
    """

    items: tuple[Item, ...]
    skipped: tuple[Skipped, ...]
    moved: int
    kept: int


def kinds_of(corpus: Iterable[Any]) -> Mapping[str, str]:
    """Return the kind of every content word of a corpus with the annotations ``upos`` and ``feats``.

    Words with several kinds, none of which has nine tenths of their occurrences, have none; so have proper nouns, as
    they may tell the gender of a pronoun.

    Raises
    ------
    InputError
        An example lacks these annotations.
    """
    seen: dict[str, Counter[str]] = {}
    for example in corpus:
        if lacking := [name for name in ("upos", "feats") if name not in example.annotations]:
            raise InputError(
                f"Example '{example.id}' has no {' and no '.join(lacking)}, which say of what kind its words are. "
                "Give a treebank (.conllu), or grammar:n=2000."
            )
        columns = (example.words, example.annotations["upos"], example.annotations["feats"])
        for word, upos, feats in zip(*columns, strict=True):
            marks = "|".join(f"{name}={value}" for name, value in sorted((feats or {}).items()))
            seen.setdefault(word.lower(), Counter())[f"{upos}|{marks}" if upos in CONTENT else ""] += 1
    likeliest = {word: kinds.most_common(1)[0] for word, kinds in seen.items()}
    return {word: kind for word, (kind, count) in likeliest.items() if kind and count >= PUREST * seen[word].total()}


@dataclass(frozen=True, slots=True)
class _Slot:
    """One place for a word of a kind: how manieth of its kind in its item, and the word there."""

    item: int
    key: tuple[Any, ...]
    word: str


def exchange(items: Sequence[Item], kinds: Mapping[str, str], *, seed: int = 0) -> Exchanged:
    """Exchange content words between items.

    Parameters
    ----------
    items : sequence of Item
    kinds : mapping of str to str
        Of words in lower case; those that are not in it stay where they are.
    seed : int
        Fixes who gives to whom.
    """
    slots: dict[tuple[Any, ...], list[_Slot]] = {}
    unknown = 0
    reasons = []
    for index, item in enumerate(items):
        found, left = _slots(item, index, kinds)
        reasons.append(ALONE if found else UNKNOWN)
        unknown += left
        for slot in found:
            slots.setdefault(slot.key, []).append(slot)
    new: list[dict[tuple[Any, ...], str]] = [{} for _ in items]
    chance = random.Random(seed)
    for key in sorted(slots, key=repr):
        for slot, word in zip(slots[key], _deranged([slot.word for slot in slots[key]], chance), strict=True):
            if word != slot.word:
                new[slot.item][key] = word
    made, skipped, moved = [], [], 0
    for item, words, why in zip(items, new, reasons, strict=True):
        if words:
            made.append(_rewritten(item, words, kinds))
            moved += len(words)
        else:
            skipped.append(Skipped(item.id, item.suite, why, item.sentences[0].text[:120]))
    return Exchanged(tuple(made), tuple(skipped), moved, unknown)


def _slots(item: Item, index: int, kinds: Mapping[str, str]) -> tuple[list[_Slot], int]:
    """Return the places of an item whose words every sentence has, and how many words have no kind."""
    whole = _contrast_key(item, kinds)
    text = item.sentences[item.right].text
    places = _places(text, _shared(item), kinds)
    found = [_Slot(index, (*whole, *key), match[0].lower()) for match, key in places]
    return found, sum(match[0].lower() not in kinds for match in _WORD.finditer(text))


def _places(text: str, shared: set[str], kinds: Mapping[str, str]) -> Iterator[tuple[re.Match[str], tuple[Any, ...]]]:
    """Yield the words of a text that may be exchanged, each with kind, number within its kind, and article before it.

    An article stays, so what stands behind *a* goes only behind another *a*.
    """
    counts: Counter[str] = Counter()
    before = ""
    for match in _WORD.finditer(text):
        word = match[0].lower()
        if word in kinds and word in shared:
            yield match, (kinds[word], counts[kinds[word]], before if before in ("a", "an") else "")
            counts[kinds[word]] += 1
        before = word


def _contrast_key(item: Item, kinds: Mapping[str, str]) -> tuple[Any, ...]:
    """Return what items must have in common to exchange words: the contrast by its kinds, or its very words."""
    right = item.sentences[item.right].text
    others = [sentence.text for i, sentence in enumerate(item.sentences) if i != item.right]
    words = [part.lower() for other in others for part in contrast(right, other)]
    return item.suite, item.phenomenon, tuple(kinds.get(word, word) for word in words)


def _shared(item: Item) -> set[str]:
    """Return the words that stand equally often in every sentence: those of the contrast are not among them."""
    counts = [Counter(match[0].lower() for match in _WORD.finditer(sentence.text)) for sentence in item.sentences]
    return {word for word, count in counts[0].items() if all(other[word] == count for other in counts[1:])}


def _deranged(words: list[str], chance: random.Random) -> list[str]:
    """Return the words in another order, in which as few as may be stand where they stood."""
    ranks = sorted(set(words))
    chance.shuffle(ranks)
    rank = {word: place for place, word in enumerate(ranks)}
    order = sorted(range(len(words)), key=lambda i: (rank[words[i]], chance.random()))
    most = max(Counter(words).values(), default=0)
    given = list(words)
    # Equal words stand beside each other and move on as far as the commonest is common, so that a word comes to where
    # it was only if it fills more than half of the places.
    for place, source in zip(order, order[most:] + order[:most], strict=True):
        given[place] = words[source]
    return given


def _rewritten(item: Item, words: Mapping[tuple[Any, ...], str], kinds: Mapping[str, str]) -> Item:
    whole, shared = _contrast_key(item, kinds), _shared(item)
    sentences = []
    for sentence in item.sentences:
        edits = [
            (*match.span(), word.capitalize() if match[0][:1].isupper() else word)
            for match, key in _places(sentence.text, shared, kinds)
            if (word := words.get((*whole, *key))) is not None
        ]
        sentences.append(_edited(sentence, edits))
    return replace(item, sentences=tuple(sentences))


def _edited(sentence: Sentence, edits: Sequence[tuple[int, int, str]]) -> Sentence:
    """Return a sentence with words replaced; its regions go with the words that they hold."""
    pieces, at = [], 0
    moved: list[tuple[int, int]] = []
    shift = 0
    for start, stop, word in edits:
        pieces += [sentence.text[at:start], word]
        at = stop
        shift += len(word) - (stop - start)
        moved.append((stop, shift))
    pieces.append(sentence.text[at:])

    def place(char: int) -> int:
        return char + next((by for stop, by in reversed(moved) if stop <= char), 0)

    regions = tuple(Region(region.name, place(region.start), place(region.stop)) for region in sentence.regions)
    return Sentence("".join(pieces), regions, sentence.condition)
