"""What each method says of each sentence of each item: models through their scores, baselines through words.

Enters: items, and a session or baselines. Leaves: a :class:`~probekit.behaviour.measuring.Method` each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from probekit import plain
from probekit.behaviour.baselines import (
    NgramModel,
    UnigramModel,
    WordScorer,
    majority_scores,
    read_arpa,
    sentences_of,
    train_ngram,
    words_of,
)
from probekit.behaviour.formulas import claim_holds
from probekit.behaviour.items import Item, Sentence
from probekit.behaviour.judging import Value, scored_spans
from probekit.behaviour.measuring import Method
from probekit.behaviour.scoring.making import Session, Told
from probekit.behaviour.scoring.readings import Reading, Scores
from probekit.corpus import open_corpus

ORDER = 5


def readings_of(items: Sequence[Item], session: Session) -> list[list[Reading]]:
    """Tokenize the sentences of items; of an encoder-decoder what stands before a continuation is its source."""
    texts, sources, spans = [], [], []
    for item in items:
        for sentence in item.sentences:
            parts = () if item.claim else scored_spans(sentence, fills=session.fills)
            cut = parts[0][0] if len(parts) == 1 and session.method == "seq2seq" else 0
            texts.append(sentence.text[cut:])
            sources.append(sentence.text[:cut].rstrip())
            spans.append((parts[0][0] - cut, parts[-1][1] - cut) if parts else None)
    flat = iter(session.read(texts, spans=spans, sources=sources if session.method == "seq2seq" else ()))
    return [[next(flat) for _ in item.sentences] for item in items]


def model_method(
    items: Sequence[Item],
    readings: Sequence[Sequence[Reading]],
    session: Session,
    *,
    kept: Sequence[int],
    role: str,
    told: Told | None = None,
) -> Method:
    """Score the items that are kept by a model."""
    flat = iter(session.score([reading for place in kept for reading in readings[place]], told))
    values: list[list[Value]] = [[] for _ in items]
    claims: dict[int, bool] = {}
    for place in kept:
        scores = [next(flat) for _ in items[place].sentences]
        values[place] = [
            _model_value(found, scored_spans(sentence, fills=session.fills))
            for sentence, found in zip(items[place].sentences, scores, strict=True)
        ]
        if items[place].claim:
            claims[place] = claim_holds(items[place].claim, _surprisals(items[place].sentences, scores))
    name = "random_weights" if role == "floor" else session.method
    return Method(name, session.name, role, values, claims, session.fills)


def _model_value(found: Scores, spans: Sequence[tuple[int, int]]) -> Value:
    """Return what a model says of a sentence: what was read to be scored, and of that its parts where there are any."""
    if len(spans) > 1:
        found = found.within(spans)
    inside = found.best[found.scored]
    return Value(found.total, found.n_tokens, found.n_words, best=bool(len(inside) and inside.all()))


def _surprisals(sentences: Sequence[Sentence], scores: Sequence[Scores]) -> dict[tuple[str, str], float]:
    """Return the surprisal of each region of each condition; several of one name add up."""
    found: dict[tuple[str, str], float] = {}
    for sentence, its in zip(sentences, scores, strict=True):
        for region in sentence.regions:
            key = sentence.condition, region.name
            found[key] = found.get(key, 0.0) - its.region(region.start, region.stop)
    return found


def read_baselines(ngram: Any, unigram: Any = None) -> tuple[dict[str, WordScorer], list[str]]:
    """Return baselines by name, and where the counts of words are from.

    Parameters
    ----------
    ngram : NgramModel, path or None
        An ARPA file, or a text to train one on.
    unigram : UnigramModel, path or None
        A text whose words are counted; None: those that the n-gram was trained on, where that is known.
    """
    model: Any = _read_ngram(ngram) if isinstance(ngram, str | Path) else ngram
    found: dict[str, WordScorer] = {} if model is None else {"ngram": model}
    counts = getattr(model, "unigram", None) if unigram is None else unigram
    if counts is None:
        return found, []
    source = unigram if unigram is not None else ngram
    if isinstance(counts, str | Path):
        counts = UnigramModel.train(sentences_of(open_corpus(str(plain.path(counts, "unigram")))))
    found["unigram"] = counts
    text = f"the words of {source}" if isinstance(source, str | Path) else "a model that was given"
    return found, [f"Frequencies (the unigram baseline, and what SLOR takes off) are counted of {text}."]


def _read_ngram(path: str | Path) -> NgramModel:
    place = plain.path(path, "ngram")
    if place.name.endswith((".arpa", ".arpa.gz")):
        return read_arpa(place)
    return train_ngram(list(sentences_of(open_corpus(str(place)))), ORDER)


def baseline_methods(items: Sequence[Item], baselines: Mapping[str, WordScorer]) -> list[Method]:
    """Score items by words alone, a method a baseline."""
    asked = list(dict.fromkeys(each for item in items for sentence in item.sentences for each in _asked(sentence)))
    found = []
    for name, scorer in baselines.items():
        known = _scores(asked, scorer)
        values = [[_value(sentence, known) for sentence in item.sentences] for item in items]
        found.append(Method(name, "", "floor", values, {}))
    return found


def majority_method(items: Sequence[Item]) -> Method:
    """Score items by the commonest answer of the others; the items that are left out must not be among them."""
    answers = [[Value(float(score), 1, 1) for score in its] for its in majority_scores(items)]
    return Method("majority", "", "companion", answers, {}, note="what is right of most other items, which it has seen")


def chance_method(items: Sequence[Item]) -> Method:
    """Guess: every sentence is as good as the others."""
    return Method("chance", "", "floor", [[Value(0.0, 1, 1) for _ in item.sentences] for item in items], {})


Asked = tuple[tuple[str, ...], bool]
"""Words from the beginning of a sentence, and whether it ends with them."""


def _asked(sentence: Sentence) -> list[Asked]:
    """Return what must be scored of a sentence: all of it, or of each part the words up to its two ends."""
    spans = scored_spans(sentence)
    ends = [(tuple(words_of(sentence.text[:stop])), False) for span in spans for stop in span]
    return ends or [(tuple(words_of(sentence.text)), True)]


def _scores(asked: Sequence[Asked], scorer: WordScorer) -> dict[Asked, float]:
    """Score words; an n-gram model looks up all of them at once."""
    if not isinstance(scorer, NgramModel):
        return {each: scorer.score(each[0]) for each in asked}
    found: dict[Asked, float] = {}
    for end in (True, False):
        those = [each for each in asked if each[1] == end]
        totals = (float(row.sum()) for row in scorer.logprobs_of([words for words, _ in those], end=end))
        found.update(zip(those, totals, strict=True))
    return found


def _value(sentence: Sentence, known: Mapping[Asked, float]) -> Value:
    asked = _asked(sentence)
    if asked[0][1]:
        total, count = known[asked[0]], len(asked[0][0])
    else:
        pairs = list(zip(asked[::2], asked[1::2], strict=True))
        total = sum(known[upto] - known[before] for before, upto in pairs)
        count = sum(len(upto[0]) - len(before[0]) for before, upto in pairs)
    return Value(total if math.isfinite(total) else math.nan, count, count)
