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
from probekit.behaviour.judging import Value, scored_span
from probekit.behaviour.measuring import Method
from probekit.behaviour.scoring.making import Session, Told
from probekit.behaviour.scoring.readings import Reading, Scores
from probekit.corpus import open_corpus

ORDER = 5


def readings_of(items: Sequence[Item], session: Session) -> list[list[Reading]]:
    """Tokenize the sentences of items; of an encoder-decoder what stands before a scored region is its source."""
    texts, sources, spans = [], [], []
    for item in items:
        for sentence in item.sentences:
            span = None if item.claim else scored_span(sentence)
            cut = span[0] if span is not None and session.method == "seq2seq" else 0
            texts.append(sentence.text[cut:])
            sources.append(sentence.text[:cut].rstrip())
            spans.append(None if span is None else (span[0] - cut, span[1] - cut))
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
        values[place] = [Value(found.total, found.n_tokens, found.n_words, best=_best(found)) for found in scores]
        if items[place].claim:
            claims[place] = claim_holds(items[place].claim, _surprisals(items[place].sentences, scores))
    return Method("random_weights" if role == "floor" else session.method, session.name, role, values, claims)


def _best(scores: Scores) -> bool:
    inside = scores.best[scores.reading.first : scores.reading.last]
    return bool(len(inside) and inside.all())


def _surprisals(sentences: Sequence[Sentence], scores: Sequence[Scores]) -> dict[tuple[str, str], float]:
    """Return the surprisal of each region of each condition; several of one name add up."""
    found: dict[tuple[str, str], float] = {}
    for sentence, its in zip(sentences, scores, strict=True):
        for region in sentence.regions:
            key = sentence.condition, region.name
            found[key] = found.get(key, 0.0) - its.region(region.start, region.stop)
    return found


def read_baselines(ngram: Any) -> dict[str, WordScorer]:
    """Return baselines by name: of an ARPA file its n-gram model, of a text one that is trained on it, and unigrams."""
    if ngram is None:
        return {}
    if not isinstance(ngram, str | Path):
        return {"ngram": ngram}
    path = plain.path(ngram, "ngram")
    if path.suffix == ".arpa":
        return {"ngram": read_arpa(path)}
    sentences = list(sentences_of(open_corpus(str(path))))
    return {"ngram": train_ngram(sentences, ORDER), "unigram": UnigramModel.train(sentences)}


def floor_methods(items: Sequence[Item], baselines: Mapping[str, WordScorer]) -> list[Method]:
    """Score items by words alone: each baseline, and the commonest answer."""
    methods = [
        Method(name, "", "floor", [[_value(sentence, scorer) for sentence in item.sentences] for item in items], {})
        for name, scorer in baselines.items()
    ]
    answers = [[Value(float(score), 1, 1) for score in its] for its in majority_scores(items)]
    return [*methods, Method("majority", "", "floor", answers, {})]


def _value(sentence: Sentence, scorer: WordScorer) -> Value:
    span = scored_span(sentence)
    if span is None:
        words = words_of(sentence.text)
        return Value(scorer.score(words), len(words), len(words))
    before, upto = (words_of(sentence.text[:stop]) for stop in span)
    count = len(upto) - len(before)
    if isinstance(scorer, NgramModel):
        total = scorer.score(upto, end=False) - scorer.score(before, end=False)
    else:
        total = scorer.score(upto) - scorer.score(before)
    return Value(total if math.isfinite(total) else math.nan, count, count)
