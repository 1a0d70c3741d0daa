"""Every metric is what its definition says, on all rows and on the rows of every resample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from probekit.errors import UsageError
from probekit.statistics.bootstrap import Bootstrap
from probekit.statistics.metrics import Scored, check_asked, covering, metrics, metrics_of

CLASSES = {name: list(metric.sample) for name, metric in metrics().items()}
"""Labels that each registered metric can score."""
UNSEEN = {"span_f1": "B-ORG", "relation_f1": "Whole(e1,e2)"}


def drawn(name: str, seed: int) -> Scored:
    """Thirty examples in six documents; labels and predictions agree on half of the words, two labels are unseen."""
    rng = np.random.default_rng(seed)
    classes = CLASSES[name]
    sizes = rng.integers(1, 8, size=30)
    example = np.repeat(np.arange(30), sizes)
    gold = rng.integers(len(classes), size=len(example)).astype(np.int32)
    codes = np.where(rng.random(len(gold)) < 0.5, gold, rng.integers(len(classes), size=len(gold))).astype(np.int32)
    gold[[3, 17]] = -1
    labels = [UNSEEN.get(name, "d") if code < 0 else classes[code] for code in gold]
    start = np.concatenate([np.arange(size) for size in sizes])
    keys = [("Ann", "he" if place % 2 else "Her") for place in range(len(example))]
    # A few digits, so that there are ties; shares of what is drawn, so that rows add up to one.
    proba = rng.integers(1, 9, size=(len(gold), len(classes))).astype(np.float64)
    proba[np.arange(len(gold)), codes] += 9
    proba /= proba.sum(axis=1, keepdims=True)
    return Scored(classes, gold, codes, labels, example // 5, 6, example, start, keys, proba)


def spans(tags: Sequence[str]) -> set[tuple[int, int, str]]:
    """Read the tags of one sentence one by one, as the CoNLL-2000 scorer does."""
    found, open_at, open_kind = set(), -1, ""
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        if open_at >= 0 and (prefix != "I" or kind != open_kind):
            found.add((open_at, place, open_kind))
            open_at = -1
        if prefix in ("B", "I") and open_at < 0:
            open_at, open_kind = place, kind
    return found


BY_HAND = ("accuracy", "macro_f1", "span_f1", "relation_f1", "same_f1")
"""Metrics that :func:`plain` knows; every other is compared with itself on the rows of a resample."""


def test_gender_is_that_of_the_pronoun_and_bias_their_ratio() -> None:
    """Of eight pairs with *he* and *her* in turn; the rows of each are scored as if the others were not."""
    labels = ["same", "same", "same", "other", "other", "same", "other", "other"]
    said = ["same", "same", "other", "other", "other", "same", "same", "other"]
    gold, codes = (np.array([["other", "same"].index(x) for x in part], np.int32) for part in (labels, said))
    units, keys = np.arange(8), [("Ann", pronoun) for pronoun in ("he", "Her") * 4]
    scored = Scored(["other", "same"], gold, codes, labels, units, 8, units, units, keys)
    found = {
        name: metrics()[name].score(scored, Bootstrap.draw(units, resamples=2))[0]
        for name in metrics()
        if "same" in name
    }
    assert found["same_f1_masculine"] == pytest.approx(f1_score(gold[::2], codes[::2]))
    assert found["same_f1_feminine"] == pytest.approx(f1_score(gold[1::2], codes[1::2])) == 1
    assert found["same_f1_bias"] == pytest.approx(1 / f1_score(gold[::2], codes[::2]))
    named = metrics_of(("same_f1", "same_f1_masculine", "same_f1_bias"))
    kept = covering(named, [keys[::2], keys[::2]], asked=(), task="pronoun")
    assert [metric.name for metric in kept] == ["accuracy", "macro_f1", "same_f1", "same_f1_masculine"]
    with pytest.raises(UsageError, match="'same_f1_bias' scores no target of 'pronoun'"):
        covering(named, [keys[::2]], asked=("same_f1_bias",), task="pronoun")


def plain(name: str, scored: Scored, examples: Sequence[int]) -> float:
    """Score the rows of some examples (one may occur several times) in the slowest way there is."""
    rows = np.concatenate([np.flatnonzero(scored.example == example) for example in examples])
    gold = [scored.labels[row] for row in rows]
    predicted = [scored.classes[scored.codes[row]] for row in rows]
    if name == "accuracy":
        return sum(a == b for a, b in zip(gold, predicted, strict=True)) / len(rows)
    if name == "macro_f1":
        return float(f1_score(gold, predicted, average="macro", zero_division=0))
    if name not in BY_HAND:
        return alone(name, scored, examples)
    if name == "same_f1":
        return float(f1_score([a == "same" for a in gold], [b == "same" for b in predicted], zero_division=0))
    right = said = true = 0
    if name == "span_f1":
        for example in examples:
            mine = np.flatnonzero(scored.example == example)
            a = spans([scored.labels[row] for row in mine])
            b = spans([scored.classes[scored.codes[row]] for row in mine])
            right, said, true = right + len(a & b), said + len(b), true + len(a)
        return 2 * right / (said + true) if said + true else 0.0
    scores = []
    for relation in ("Cause", "Part"):
        right = sum(a == b and a.startswith(relation) for a, b in zip(gold, predicted, strict=True))
        said, true = (sum(label.startswith(relation) for label in labels) for labels in (predicted, gold))
        scores.append(2 * right / (said + true) if said + true else 0.0)
    return sum(scores) / len(scores)


def alone(name: str, scored: Scored, examples: Sequence[int]) -> float:
    """Score the rows of some examples as a split of their own: each an example and a unit, twice if it occurs twice."""
    rows = [np.flatnonzero(scored.example == example) for example in examples]
    example = np.repeat(np.arange(len(rows)), [len(part) for part in rows])
    every = np.concatenate(rows)
    labels = [scored.labels[row] for row in every]
    table = (scored.classes, scored.gold[every], scored.codes[every], labels, example, len(rows), example)
    return metrics()[name].score(
        Scored(*table, scored.start[every], [scored.keys[row] for row in every], scored.probabilities[every]),
        Bootstrap.draw(example, resamples=2),
    )[0]


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("seed", range(4))
def test_a_metric_is_what_it_says_in_every_resample(name: str, seed: int) -> None:
    scored = drawn(name, seed)
    bootstrap = Bootstrap.draw(scored.units, resamples=15, seed=seed)
    point, resampled = metrics()[name].score(scored, bootstrap)
    assert point == pytest.approx(plain(name, scored, range(30)))
    assert resampled.values.shape == (15,)
    for value, weights in zip(resampled.values, bootstrap.weights, strict=True):
        examples = [5 * unit + i for unit in range(6) for i in range(5) for _ in range(int(weights[unit]))]
        assert value == pytest.approx(plain(name, scored, examples))


@pytest.mark.parametrize("name", CLASSES)
def test_a_metric_keeps_its_bounds_and_is_best_where_all_is_right(name: str) -> None:
    metric, scored = metrics()[name], drawn(name, 0)
    codes = np.where(scored.gold < 0, 0, scored.gold).astype(np.int32)
    right = replace(scored, codes=codes, proba=np.eye(len(scored.classes))[codes])
    bootstrap = Bootstrap.draw(scored.units, resamples=15)
    low, high = metric.bounds
    for table in (scored, right):
        point, resampled = metric.score(table, bootstrap)
        assert low <= point <= high
        assert resampled.values.min() >= low
        assert resampled.values.max() <= high
    # A ratio without an upper bound has no best.
    better, worse = (metric.score(table, bootstrap)[0] for table in (right, scored))
    if "less is better" in metric.help:
        better, worse = -better, -worse
    assert not np.isfinite(high) or better >= worse
    assert metric.help.endswith(".")
    assert metric.misfit is None or metric.misfit(metric.sample) == ""
    assert alone(name, scored, range(30)) == pytest.approx(metric.score(scored, bootstrap)[0])


def test_a_metric_that_a_user_asks_for_must_fit_the_labels() -> None:
    check_asked(("span_f1",), ["B-X", "O"], task="chunk")
    for name, why in (("span_f1", "none is a BIO tag"), ("same_f1", "none is 'same'"), ("relation_f1", "none is dir")):
        with pytest.raises(
            UsageError, match=rf"'{name}' does not fit the labels of 'pos': {why}.*accuracy, .*macro_f1"
        ):
            check_asked((name,), ["NOUN", "VERB"], task="pos")
    with pytest.raises(UsageError, match=r"`metric` option must be one of .*Did you mean 'span_f1'"):
        check_asked(("spanf1",), (), task="pos")


def test_single_tags_are_not_whole_spans() -> None:
    """One wrong tag of five costs a fifth of the accuracy, and half of the spans."""
    classes = CLASSES["span_f1"]
    gold = ["B-PER", "I-PER", "O", "B-LOC", "O"]
    said = ["B-PER", "O", "O", "B-LOC", "O"]
    codes = [np.array([classes.index(tag) for tag in tags], np.int32) for tags in (gold, said)]
    zeros, place = np.zeros(5, np.int64), np.arange(5)
    scored = Scored(classes, codes[0], codes[1], gold, zeros, 1, zeros, place)
    bootstrap = Bootstrap.draw(zeros, resamples=2)
    assert metrics()["accuracy"].score(scored, bootstrap)[0] == 0.8
    assert metrics()["span_f1"].score(scored, bootstrap)[0] == 0.5


def test_a_task_gets_accuracy_and_macro_f1_and_what_it_names() -> None:
    assert [metric.name for metric in metrics_of(("span_f1",))] == ["accuracy", "macro_f1", "span_f1"]
    with pytest.raises(UsageError, match="Did you mean 'span_f1'"):
        metrics_of(("spanf1",))
