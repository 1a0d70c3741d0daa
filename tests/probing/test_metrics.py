"""Every metric is what its definition says, on all rows and on the rows of every resample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.metrics import f1_score

from probekit.errors import UsageError
from probekit.statistics.bootstrap import Bootstrap
from probekit.statistics.metrics import Scored, metrics, metrics_of

CLASSES = {
    "accuracy": ["a", "b", "c"],
    "macro_f1": ["a", "b", "c"],
    "span_f1": ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"],
    "relation_f1": ["Cause(e1,e2)", "Cause(e2,e1)", "Other", "Part(e1,e2)", "Part(e2,e1)"],
    "same_f1": ["other", "same"],
}
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
    return Scored(classes, gold, codes, labels, example // 5, 6, example, start)


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


def plain(name: str, scored: Scored, examples: Sequence[int]) -> float:
    """Score the rows of some examples (one may occur several times) in the slowest way there is."""
    rows = np.concatenate([np.flatnonzero(scored.example == example) for example in examples])
    gold = [scored.labels[row] for row in rows]
    predicted = [scored.classes[scored.codes[row]] for row in rows]
    if name == "accuracy":
        return sum(a == b for a, b in zip(gold, predicted, strict=True)) / len(rows)
    if name == "macro_f1":
        return float(f1_score(gold, predicted, average="macro", zero_division=0))
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


def test_every_metric_is_compared() -> None:
    assert set(metrics()) == set(CLASSES)


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
