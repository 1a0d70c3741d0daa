"""Probes that read tokens: what they are given, what each of them can see that the others cannot."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import tiny_model

from probekit import ActivationCache, extract, probe, probe_tasks
from probekit.errors import UsageError
from probekit.features import Pooler, TokenGatherer, TokenRows
from probekit.probing.dataset import find_sources
from probekit.probing.estimators.attention import AttentionProbe, attend
from probekit.probing.estimators.bilinear import BilinearProbe
from probekit.probing.estimators.bilstm import RecurrentProbe, mean_of
from probekit.probing.estimators.logistic import LogisticProbe
from probekit.probing.settings import Settings


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> ActivationCache:
    made = extract(tiny_model("bert"), "grammar:n=80", overflow="window", cache=tmp_path_factory.mktemp("root"))
    return ActivationCache.open(made.cache)


@pytest.mark.parametrize("task", ["pos", "arc"])
def test_the_tokens_of_a_target_are_those_the_pooler_means(cache: ActivationCache, task: str) -> None:
    index = cache.index()
    pooler = Pooler(index, find_sources(cache, [Settings(task=task)])[0].targets())
    means, view = pooler.matrix(cache.layer(1)), cache.layer(1)
    gatherer = TokenGatherer(index, pooler.table)
    for split in ("train", "dev", "test"):
        rows, part = gatherer.rows(view, split), pooler.table.part(split)
        assert len(rows) == part.stop - part.start
        for place in range(0, len(rows), 7):
            found = np.concatenate([rows.vectors[first:stop].mean(axis=0) for first, stop in rows.spans[place]])
            np.testing.assert_allclose(found, means[part][place], rtol=1e-5, atol=1e-6)
            first, stop = rows.examples[rows.home[place]]
            ordinal = pooler.table.example[part][place]
            assert stop - first == ((index.example == ordinal) & (index.word >= 0)).sum()
            assert (rows.spans[place] >= first).all()
            assert (rows.spans[place] <= stop).all()


def test_some_targets_keep_their_tokens(cache: ActivationCache) -> None:
    pooler = Pooler(cache.index(), find_sources(cache, [Settings(task="pos")])[0].targets())
    rows = TokenGatherer(cache.index(), pooler.table).rows(cache.layer(0), "train")
    some = rows.take(np.array([3, 50, 51]))
    assert len(some.examples) <= 3
    for ours, place in enumerate((3, 50, 51)):
        (first, stop), (low, high) = some.spans[ours, 0], rows.spans[place, 0]
        np.testing.assert_array_equal(some.vectors[first:stop], rows.vectors[low:high])


def test_attention_is_its_formula() -> None:
    rng = np.random.default_rng(0)
    vectors, query = rng.standard_normal((9, 4)), rng.standard_normal(4)
    spans = np.array([[0, 3], [2, 3], [4, 9]])
    found = attend(*(torch.from_numpy(part) for part in (vectors, query, spans[:, 0], spans[:, 1])))
    for row, (first, stop) in enumerate(spans):
        weights = np.exp(vectors[first:stop] @ query)
        np.testing.assert_allclose(found[row], (weights / weights.sum()) @ vectors[first:stop], rtol=1e-10)
    means = mean_of(torch.from_numpy(vectors), torch.from_numpy(spans))
    np.testing.assert_allclose(means, [vectors[a:b].mean(axis=0) for a, b in spans], rtol=1e-10)


def test_only_attention_reads_the_marked_token_of_a_long_span() -> None:
    """One of twelve tokens is marked and says the class; the others say some class at random."""
    (X, y), (fresh, gold) = marked(0), marked(1)
    assert AttentionProbe(learning_rate=0.05, patience=60).fit(X, y).score(fresh, gold) > 0.95
    means = [np.stack([rows.vectors[a:b].mean(axis=0) for a, b in rows.spans[:, 0]]) for rows in (X, fresh)]
    assert LogisticProbe().fit(means[0], y).score(means[1], gold) < 0.8


def marked(seed: int, n: int = 500) -> tuple[TokenRows, np.ndarray]:
    rng = np.random.default_rng(seed)
    said = rng.integers(3, size=(n, 12))
    place = rng.integers(12, size=n)
    vectors = np.concatenate([np.eye(3)[said], np.zeros((n, 12, 1))], axis=2)
    vectors[np.arange(n), place, 3] = 3
    bounds = 12 * np.arange(n)[:, None] + np.array([0, 12])
    rows = TokenRows(vectors.reshape(-1, 4).astype(np.float32), bounds, bounds[:, None], np.arange(n))
    return rows, said[np.arange(n), place]


def test_only_the_recurrent_probe_reads_the_neighbour() -> None:
    """The class of the middle token is written in the one before it."""
    (X, y), (fresh, gold) = behind(0), behind(1)
    assert RecurrentProbe(learning_rate=0.01, max_epochs=15).fit(X, y).score(fresh, gold) > 0.95
    assert AttentionProbe(learning_rate=0.03, max_epochs=15).fit(X, y).score(fresh, gold) < 0.5


def behind(seed: int, n: int = 400) -> tuple[TokenRows, np.ndarray]:
    rng = np.random.default_rng(seed)
    said = rng.integers(3, size=(n, 3))
    bounds = 3 * np.arange(n)[:, None] + np.array([0, 3])
    middle = 3 * np.arange(n)[:, None, None] + np.array([[1, 2]])
    return TokenRows(np.eye(3, dtype=np.float32)[said].reshape(-1, 3), bounds, middle, np.arange(n)), said[:, 0]


def test_only_the_bilinear_probe_knows_equal_from_different() -> None:
    (X, y), (fresh, gold) = equal(0), equal(1)
    assert BilinearProbe(learning_rate=0.01).fit(X, y).score(fresh, gold) > 0.95
    assert LogisticProbe().fit(X, y).score(fresh, gold) < 0.65


def equal(seed: int, n: int = 1500) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], size=(n, 2))
    X = np.concatenate([signs[:, :1] + rng.normal(0, 0.2, (n, 4)), signs[:, 1:] + rng.normal(0, 0.2, (n, 4))], axis=1)
    return X, signs[:, 0] == signs[:, 1]


def test_the_bilinear_probe_wants_a_pair(cache: ActivationCache) -> None:
    with pytest.raises(UsageError, match=r"a target of 'pos' is none.*fits: [^b]*bilstm"):
        probe("pos", on=cache, estimator="bilinear", layers="0")
    with pytest.raises(UsageError, match="leave --pair at concat"):
        probe("arc", on=cache, estimator="bilinear", pair="product", layers="0")


def test_what_fits_no_task_is_refused_before_the_first_study(cache: ActivationCache) -> None:
    reports = probe_tasks(["pos", "tree-distance"], cache, settings=Settings(layers="0", estimator="logistic"))
    with pytest.raises(UsageError, match="'tree-distance' is over trees, which the structural probe alone fits"):
        next(reports)
    assert probe("pos", on=cache, layers="0", fast=True).settings["estimator"] == "logistic"


def test_a_report_says_that_the_pooling_was_learned(cache: ActivationCache) -> None:
    report = probe("pos", on=cache, estimator="attention", layers="0", fast=True)
    assert {row.pooling for row in report.rows if row.method == "attention"} == {"learned"}
    assert report.points("attention")[0].value > report.floor("majority").value


def test_several_tasks_together_are_what_each_is_alone(cache: ActivationCache, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [probe(task, on=cache, layers="0,1", fast=True) for task in ("pos", "deprel", "arc")]
    read = []
    kind = type(find_sources(cache, [Settings()])[0].corpus)
    plain = kind.__iter__
    monkeypatch.setattr(kind, "__iter__", lambda corpus: read.append(1) or plain(corpus))
    settings = Settings(layers="0,1", fast=True)
    together = list(probe_tasks(["pos", "deprel", "arc"], cache, settings=settings))
    assert [report.task for report in together] == ["pos", "deprel", "arc"]
    assert len(read) == 1
    for ours, theirs in zip(together, alone, strict=True):
        assert ours.rows == theirs.rows


def two_token_spans(n_examples: int, seed: int) -> tuple[TokenRows, np.ndarray]:
    """Five spans of two tokens an example of eight; the label is the sign of their mean's first coordinate."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n_examples * 8, 16)).astype(np.float32)
    first = np.arange(n_examples) * 8
    home = np.repeat(np.arange(n_examples), 5)
    start = home * 8 + rng.integers(0, 7, size=len(home))
    spans = np.stack([start, start + 2], 1)[:, None]
    y = np.where(vectors[start, 0] + vectors[start + 1, 0] > 0, "p", "q")
    return TokenRows(vectors, np.stack([first, first + 8], 1), spans, home), y


def test_attention_learns_from_few_targets_as_it_comes() -> None:
    (X, y), (X_new, y_new) = two_token_spans(80, 0), two_token_spans(400, 1)
    assert (AttentionProbe().fit(X, y).predict(X_new) == y_new).mean() > 0.75


def test_targets_of_one_example_are_all_trained_on() -> None:
    X, y = two_token_spans(80, 0)
    whole = TokenRows(X.vectors, np.array([[0, len(X.vectors)]]), X.spans, np.zeros(len(y), np.int64))
    fitted = AttentionProbe(learning_rate=0.01, max_epochs=200).fit(whole, y)
    assert (fitted.predict(whole) == y).mean() > 0.8
