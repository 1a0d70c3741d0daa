"""Control task and selectivity [Hewitt & Liang 2019], and the interval of its floor, by loops over real words.

The labels are drawn by word type from the training distribution by this file's own hash, the fits are scikit-learn's at
the strengths that the report names, the interval is Student's over documents drawn, and left out, one by one.
"""

from __future__ import annotations

import hashlib
import math
import statistics
from collections import Counter

import numpy as np
import pytest
from papers.plain import scaled
from scipy.stats import norm
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression
from small import Part, Sentence

from probekit import LayerReport, probe

LAYER = 3
SAME = 3.01
"""Words of test on which two fits of one optimum may disagree."""


@pytest.fixture(scope="module")
def report(part: Part) -> LayerReport:
    return probe("pos", part.cache, layers=[LAYER])


def drawn_label(form: str, shares: list[tuple[str, float]]) -> str:
    """A number in [0, 1) from seed 0 and the form, looked up in the training labels laid end to end."""
    digest = hashlib.blake2b(f"0|{len(form.encode('utf-32-le')) // 4}:{form}".encode(), digest_size=8).digest()
    number, reached = int.from_bytes(digest, "big") / 2**64, 0.0
    for label, share in shares:
        reached += share
        if number < reached:
            return label
    return shares[-1][0]


def labels(part: Part, *, control: bool) -> list[list[str]]:
    """Tags of train, dev and test, or the control's."""
    counts = Counter(tag for sentence in part.sentences["train"] for tag in sentence.upos)
    shares = [(tag, counts[tag] / counts.total()) for tag in sorted(counts)]

    def of(sentence: Sentence) -> list[str]:
        return [drawn_label(word, shares) for word in sentence.words] if control else sentence.upos

    return [[label for sentence in sentences for label in of(sentence)] for sentences in part.sentences.values()]


def test_task_control_and_selectivity_are_those_of_scikit_learn_at_the_same_strengths(
    part: Part, report: LayerReport
) -> None:
    X = scaled(*(np.concatenate(vectors) for vectors in part.vectors(LAYER).values()))
    scores = {}
    for method in ("logistic", "control"):
        y = labels(part, control=method == "control")
        (row,) = report.select(method, split="test", metric="accuracy")
        fit = LogisticRegression(C=row.strength, tol=1e-5, max_iter=5000).fit(X[0], y[0])
        scores[method] = fit.score(X[2], y[2])
        assert row.value == pytest.approx(scores[method], abs=SAME / len(y[2]))
    (gained,) = report.select("selectivity", split="test", metric="accuracy")
    assert gained.value == pytest.approx(scores["logistic"] - scores["control"], abs=2 * SAME / len(y[2]))


def test_the_interval_of_a_share_is_students_over_documents(part: Part, report: LayerReport) -> None:
    """Of the majority, whose hits need no fit: every document drawn or left out by a loop."""
    train, _, _ = labels(part, control=False)
    most = Counter(train).most_common(1)[0][0]
    documents: dict[str, list[bool]] = {}
    for sentence in part.sentences["test"]:
        documents.setdefault(sentence.document, []).extend(tag == most for tag in sentence.upos)
    hits = list(documents.values())

    def share(chosen: list[list[bool]]) -> float:
        return sum(map(sum, chosen)) / sum(map(len, chosen))

    k, value = len(hits), share(hits)
    left_out = [share(hits[:place] + hits[place + 1 :]) for place in range(k)]
    jackknife = math.sqrt((k - 1) / k * sum((one - statistics.fmean(left_out)) ** 2 for one in left_out))
    rng = np.random.default_rng(1)
    draws = [share([hits[place] for place in rng.integers(k, size=k)]) for _ in range(4000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    bootstrap = math.sqrt(k / (k - 1)) * (high - low) / (2 * norm.ppf(0.975))
    sizes = [len(document) for document in hits]
    worth = sum(sizes) ** 2 / sum(size**2 for size in sizes)
    reach = student.ppf(0.975, worth - 1) * max(jackknife, bootstrap) / (value * (1 - value))
    odds = math.log(value / (1 - value))
    (row,) = report.select("majority", split="test", metric="accuracy")
    assert (row.unit, row.n_groups, row.value) == ("document", k, pytest.approx(value))
    # A thousand draws of theirs against four thousand of ours: quantiles differ by some hundredths of the width.
    expected = [1 / (1 + math.exp(-(odds + side * reach))) for side in (-1, 1)]
    assert [row.low, row.high] == pytest.approx(expected, abs=0.06 * (expected[1] - expected[0]))
