"""F1 of spans [Tjong Kim Sang & Buchholz 2000] and of directed relations [Hendrickx et al. 2010], on real words.

Spans are runs of nouns, guessed by a memory of forms; relations are those of words to their heads, with the side the
head is on, guessed by part of speech. Both are counted one by one, by the rules of the official scorers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

import numpy as np
import pytest
from small import Part, Sentence

from probekit.statistics.bootstrap import Bootstrap
from probekit.statistics.metrics import Scored, metrics

RELATIONS = ("nsubj", "obj", "amod", "det")


def bio(sentence: Sentence) -> list[str]:
    """Nouns and names, each a run of one type; a determiner before a run begins it."""
    tags, kinds = [], {"NOUN": "THING", "PROPN": "NAME", "DET": "THING"}
    for place, upos in enumerate(sentence.upos):
        kind = kinds.get(upos)
        begins = upos == "DET" or place == 0 or kinds.get(sentence.upos[place - 1]) != kind
        tags.append("O" if kind is None else f"{'B' if begins else 'I'}-{kind}")
    return tags


def directed(sentence: Sentence) -> list[str]:
    """``nsubj(e1,e2)`` where the word stands before its head, else ``nsubj(e2,e1)``; few relations, the rest Other."""
    found = []
    for place, (head, deprel) in enumerate(zip(sentence.heads, sentence.deprel, strict=True), start=1):
        side = "(e1,e2)" if place < head else "(e2,e1)"
        found.append(deprel + side if deprel in RELATIONS else "Other")
    return found


def guessed(pairs: Iterable[tuple[str, str]], asked: list[str]) -> list[str]:
    """The most frequent training label of each key; of unseen keys that of all."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    every: Counter[str] = Counter()
    for key, label in pairs:
        counts[key][label] += 1
        every[label] += 1
    return [(counts.get(key) or every).most_common(1)[0][0] for key in asked]


def score(name: str, sentences: list[Sentence], gold: list[str], said: list[str], classes: list[str]) -> float:
    """What the metric gives; every sentence is a unit."""
    code = {label: place for place, label in enumerate(classes)}
    example = np.repeat(np.arange(len(sentences)), [len(sentence) for sentence in sentences])
    y, codes = (np.array([code.get(label, -1) for label in tags], np.int32) for tags in (gold, said))
    start = np.concatenate([np.arange(len(sentence)) for sentence in sentences])
    scored = Scored(classes, y, codes, gold, example, len(sentences), example, start)
    return metrics()[name].score(scored, Bootstrap.draw(example, resamples=2))[0]


def chunks(tags: list[str]) -> set[tuple[int, int, str]]:
    """First word, last word and type of every chunk: conlleval's rules of where one ends and the next starts."""
    found, start = set(), 0
    for place, (before, tag) in enumerate(zip(["O", *tags], [*tags, "O"], strict=True)):
        (_, _, was), (mark, _, kind) = before.partition("-"), tag.partition("-")
        ends = before != "O" and (mark in "BO" or was != kind)
        if ends:
            found.add((start, place - 1, was))
        if mark == "B" or (mark == "I" and (before == "O" or was != kind)):
            start = place
    return found


def test_span_f1_is_that_of_chunks_counted_one_by_one(part: Part) -> None:
    train, test = part.sentences["train"], part.sentences["test"]
    pairs = [pair for sentence in train for pair in zip(sentence.words, bio(sentence), strict=True)]
    gold = [tag for sentence in test for tag in bio(sentence)]
    said = guessed(pairs, [word for sentence in test for word in sentence.words])
    right = predicted = true = place = 0
    for sentence in test:
        theirs, ours = chunks(said[place : place + len(sentence)]), chunks(bio(sentence))
        right, predicted, true = right + len(theirs & ours), predicted + len(theirs), true + len(ours)
        place += len(sentence)
    assert 0 < right < min(predicted, true)
    precision, recall = right / predicted, right / true
    found = score("span_f1", test, gold, said, sorted({tag for _, tag in pairs}))
    assert found == pytest.approx(2 * precision * recall / (precision + recall))


def test_relation_f1_is_the_mean_over_relations_right_only_with_their_direction(part: Part) -> None:
    train, test = part.sentences["train"], part.sentences["test"]
    pairs = [pair for sentence in train for pair in zip(sentence.upos, directed(sentence), strict=True)]
    gold = [label for sentence in test for label in directed(sentence)]
    said = guessed(pairs, [upos for sentence in test for upos in sentence.upos])
    each = []
    for relation in RELATIONS:
        right = sum(a == b and a.split("(")[0] == relation for a, b in zip(gold, said, strict=True))
        predicted, true = (sum(label.split("(")[0] == relation for label in tags) for tags in (said, gold))
        each.append(0.0 if right == 0 else 2 * right / (predicted + true))
    assert 0 < max(each) < 1
    found = score("relation_f1", test, gold, said, sorted({label for _, label in pairs}))
    assert found == pytest.approx(sum(each) / len(RELATIONS))
