"""Ridge, its scores and its control against scikit-learn and scipy, and a whole study of numbers."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from tiny_models import LAYERS, tiny_model

from probekit import ActivationCache, extract, open_corpus, probe
from probekit.corpus import Corpus
from probekit.errors import InputError, UsageError
from probekit.example import Example
from probekit.probing.estimators.ridge import STRENGTHS, fit_ridge
from probekit.probing.floors import control_numbers, draw_seed
from probekit.probing.number_problem import NumberProblem
from probekit.probing.problem import Standardiser
from probekit.probing.settings import Settings
from probekit.probing.studies.study import run_probe
from probekit.statistics.bootstrap import Bootstrap
from probekit.statistics.numbers import METRICS, NumberScorer

CORPUS = "grammar:n=200"


def drawn(n: int = 500, d: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((n, d)) * 3 + 2).astype(np.float32)
    return X, X[:, :3].sum(axis=1).astype(float) + rng.standard_normal(n) + 7


def test_every_strength_is_scikit_learns_ridge() -> None:
    X, y = drawn()
    parts = (X[:300], X[300:400], X[400:])
    (fit,) = fit_ridge(*parts, [NumberProblem("y", y[:300], y[300:400], y[400:])])
    Z = [Standardiser.fit(parts[0]).transform(part) for part in parts]
    models = [Ridge(alpha=1 / C).fit(Z[0], y[:300]) for C in STRENGTHS]
    scores = [r2_score(y[300:400], model.predict(Z[1])) for model in models]
    np.testing.assert_allclose(fit.dev_scores, scores, atol=1e-4)
    assert fit.strength == STRENGTHS[int(np.argmax(scores))]
    np.testing.assert_allclose(fit.test, models[int(np.argmax(scores))].predict(Z[2]), atol=1e-3)


def test_targets_fitted_together_equal_targets_fitted_alone() -> None:
    X, y = drawn()
    other = np.random.default_rng(1).standard_normal(500)
    sets = [NumberProblem(name, v[:300], v[300:400], v[400:]) for name, v in (("y", y), ("noise", other))]
    together = fit_ridge(X[:300], X[300:400], X[400:], sets)
    (alone,) = fit_ridge(X[:300], X[300:400], X[400:], sets[1:])
    np.testing.assert_allclose(together[1].test, alone.test, atol=1e-6)
    assert together[0].dev_scores[-1] > 0.8 > 0.1 > max(together[1].dev_scores)


def test_scores_are_those_of_the_rows_of_every_resample() -> None:
    _, y = drawn(60)
    guess = y + np.random.default_rng(2).standard_normal(60)
    units = np.arange(60) // 5
    scorer = NumberScorer(y, Bootstrap.draw(units, resamples=10))
    scores = dict(zip(METRICS, scorer.scores(guess), strict=True))
    assert scores["r2"][0] == pytest.approx(r2_score(y, guess))
    assert scores["pearson"][0] == pytest.approx(pearsonr(y, guess).statistic)
    assert scores["spearman"][0] == pytest.approx(spearmanr(y, guess).statistic)
    for place, weights in enumerate(scorer.bootstrap.weights):
        rows = np.repeat(np.arange(60), weights[units].astype(int))
        assert scores["r2"][1].values[place] == pytest.approx(r2_score(y[rows], guess[rows]))
        assert scores["pearson"][1].values[place] == pytest.approx(pearsonr(y[rows], guess[rows]).statistic)


def test_the_control_gives_a_form_one_number_of_the_training_part() -> None:
    keys = ["a", "b", "c", "a", ("b", "c")] * 40
    train = np.random.default_rng(3).standard_normal(50)
    numbers = control_numbers(keys, train, seed=0)
    np.testing.assert_array_equal(numbers.reshape(40, 5), np.tile(numbers[:5], (40, 1)))
    assert numbers[0] == numbers[3]
    assert set(numbers) <= set(train)
    assert not np.array_equal(numbers, control_numbers(keys, train, seed=1))
    many = control_numbers([f"w{i}" for i in range(20000)], train, seed=0)
    assert many.mean() == pytest.approx(train.mean(), abs=0.03)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> ActivationCache:
    made = extract(tiny_model("bert"), CORPUS, overflow="window", cache=tmp_path_factory.mktemp("root"))
    return ActivationCache.open(made.cache)


def test_a_study_of_numbers(opened: ActivationCache) -> None:
    report = probe("position", on=opened, estimator="ridge", control_seeds=2)
    assert report.metric == "r2"
    assert list(report.points()) == [*range(LAYERS + 1)]
    best = report.best_layer().layer
    assert report.points()[best].value > report.floor("word_type").value
    assert report.points("control")[best].value < 0.3
    gained = report.points()[best].value - report.points("control")[best].value
    assert report.points("selectivity")[best].value == pytest.approx(gained)
    draws = [row for row in report.select("control", split="test") if row.layer == best]
    assert [row.seed for row in draws] == [draw_seed(0, 0), draw_seed(0, 1), None]
    assert draws[2].value == pytest.approx((draws[0].value + draws[1].value) / 2)
    assert report.floor("mean").value <= 0
    assert "pearson" in str(report.table())
    whole = probe("sentence-length", on=opened, estimator="ridge", fast=True)
    assert whole.points("control") == {}


def test_names_are_no_numbers(opened: ActivationCache) -> None:
    with pytest.raises(UsageError, match=r"the labels of 'pos' are names.*fits: .*knn, logistic, .*mlp"):
        probe("pos", on=opened, estimator="ridge")
    with pytest.raises(UsageError, match="online-code` reads labels, and 'position' is over numbers"):
        probe("position", on=opened, estimator="ridge", also=["online-code"])


def test_labels_of_the_corpus_are_numbers_where_all_of_them_are(tmp_path: Path) -> None:
    rng = random.Random(0)
    words = ["lamp", "river", "stone", "bird", "glass", "rope"]
    texts = [rng.choices(words, k=rng.randrange(2, 12)) for _ in range(1500)]
    # More numbers than the 1,000 labels that classes are made of: none is too rare.
    values = [len(text) + number / 1e4 for number, text in enumerate(texts)]

    def labelled(labels: list[float] | list[str], name: str) -> Corpus:
        rows = zip(texts, labels, strict=True)
        return open_corpus([Example("", tuple(text), annotations={"label": label}) for text, label in rows], name=name)

    corpus = labelled(values, "lengths")
    cache = ActivationCache.open(extract(tiny_model("bert"), corpus, cache=tmp_path / "root").cache)
    report = probe("label", on=cache, corpus=corpus, estimator="ridge", fast=True)
    assert report.metric == "r2"
    assert report.points()[report.best_layer().layer].value > 0.5
    assert sum(report.provenance["targets"].values()) == len(texts)
    named = labelled(["long" if value > 6 else "short" for value in values], "named")
    cache = ActivationCache.open(extract(tiny_model("bert"), named, cache=tmp_path / "root").cache)
    with pytest.raises(InputError, match="which is no finite number, and numbers were asked for"):
        probe("label", on=cache, corpus=named, estimator="ridge", fast=True)


def test_analyses_read_numbers_too(opened: ActivationCache) -> None:
    also = ("strata", "strengths", "training-sizes", "worst-errors")
    settings = Settings(task="position", estimator="ridge", layers=(0, 1), fast=True, also=also)
    study = run_probe(opened, settings)
    report, best = study.report, study.report.best_layer().layer
    lines = list(study.predictions())
    y, guess = (np.array([line[name] for line in lines]) for name in ("gold", "predicted"))
    trained = Counter(word for one in open_corpus(CORPUS) if one.split == "train" for word in one.words)
    counts = np.array([trained[line["form"]] for line in lines])
    for which, mask in (("10-99", (counts > 9) & (counts < 100)), ("100+", counts > 99)):
        row = next(row for row in report.select(f"stratum:frequency in training {which}") if row.layer == best)
        assert (row.metric, row.n) == ("r2", mask.sum())
        assert row.value == pytest.approx(r2_score(y[mask], guess[mask]))
        assert row.low <= row.value <= row.high
    for layer, point in report.points(split="dev").items():
        curve = [row for row in report.rows if row.method.startswith("strength:") and row.layer == layer]
        assert len(curve) == 2 * len(STRENGTHS)
        assert max(row.value for row in curve if row.split == "dev") == point.value
        sizes = [row for row in report.rows if row.method.startswith("size:") and row.layer == layer]
        assert sizes[-1].value == report.points()[layer].value > sizes[-2].value
    notes = report.provenance["notes"]
    place = next(i for i, note in enumerate(notes) if "largest of" in note)
    worst = int(np.abs(guess - y).argmax())
    assert notes[place + 1].startswith(f"{guess[worst]:.3g} for {y[worst]:.3g}, ")
    assert f"[{lines[worst]['form']}]" in notes[place + 1]
