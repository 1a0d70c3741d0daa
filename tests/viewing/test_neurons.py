"""Neurons of a cache: a planted one is found by every part of the report, and beats labels that mean nothing."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from probekit import ActivationCache, extract, open_corpus, probe
from probekit.errors import UsageError
from probekit.viewing.neurons.heat import heat, mark
from probekit.viewing.neurons.minimal import shrink, sizes_of
from probekit.viewing.neurons.names import ALL, RANDOM, SHARE, SHUFFLED
from probekit.viewing.neurons.report import NeuronReport
from probekit.viewing.neurons.run import view_neurons
from probekit.viewing.neurons.settings import NeuronSettings

CORPUS = "grammar:n=150"
NOUNS, STILL, D = 5, 9, 16


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of word vectors: neuron 5 is high for nouns, 9 never changes, the others are noise of each word."""
    place = tmp_path_factory.mktemp("neurons")
    rng = np.random.default_rng(0)
    kinds = {}
    for example in open_corpus(CORPUS):
        for word, tag in zip(example.words, example.annotations["upos"], strict=True):
            kinds.setdefault(word, tag)
    lines = []
    for word, tag in kinds.items():
        vector = rng.normal(size=D)
        vector[NOUNS] += 6 * (tag == "NOUN")
        vector[STILL] = 1.0
        lines.append(" ".join([word, *(f"{value:.5f}" for value in vector)]))
    (place / "planted.txt").write_text("\n".join(lines) + "\n")
    extract(f"static:{place / 'planted.txt'}", CORPUS, cache=place / "caches")
    return place / "caches"


@pytest.fixture(scope="module")
def report(root: Path) -> NeuronReport:
    return view_neurons(
        cache=root, layers=0, settings=NeuronSettings(draws=2, n_labels=2, keep=0.9, neurons=("0:3",), top=5)
    )


def test_the_neuron_of_nouns_is_found_and_beats_what_means_nothing(report: NeuronReport, root: Path) -> None:
    found = report.detectors(0)["NOUN"]
    own = found["estimator"]
    assert own.method == f"neuron {NOUNS}"
    assert own.note == "high where the label is"
    assert own.value is not None
    assert own.low is not None
    assert own.value > 0.8
    assert own.low > found[SHUFFLED].high
    assert found["difference"].low > 0
    assert found[SHARE].value == pytest.approx(found[SHUFFLED].value, abs=0.1)
    # The score is scikit-learn's, of the words of test.
    cache = ActivationCache.open(next(root.iterdir()))
    index, values = cache.index(), cache.layer(0).array()[:, NOUNS]
    examples = list(open_corpus(CORPUS))
    test = [row for row in range(len(values)) if examples[index.example[row]].split == "test"]
    tags = [examples[index.example[row]].annotations["upos"][index.word[row]] for row in test]
    assert own.value == pytest.approx(average_precision_score([tag == "NOUN" for tag in tags], values[test]), abs=1e-6)


def test_sets_are_chosen_on_dev_and_shown_beside_random_ones(report: NeuronReport) -> None:
    (whole,) = report.sets(0, ALL)
    (on_dev,) = report.sets(0, ALL, split="dev")
    assert whole.strength == D
    assert len(report.methods) == 6
    for name in report.methods:
        shown, chosen = report.sets(0, name), report.sets(0, name, split="dev")
        assert [row.strength for row in shown] == sizes_of(D)[: len(shown)]
        assert chosen[-1].value >= 0.9 * on_dev.value
        assert all(row.value < 0.9 * on_dev.value for row in chosen[:-1])
        random = {row.strength: row for row in report.sets(0, RANDOM)}
        gains = [row for row in report.rows if (row.method, row.split) == (f"{name} - random", "test")]
        assert len(gains) == (shown[-1].strength < D)
        for gain in gains:
            assert gain.value == pytest.approx(shown[-1].value - random[shown[-1].strength].value)
    firsts = {order["neuron"] for _, order in report.orders[report.orders["place"] == 1].iterrows()}
    assert NOUNS in firsts
    assert any("1 of 16 neurons of layer 0 never change" in note for note in report.notes)


def test_the_smallest_set_is_that_of_dev_whatever_test_says() -> None:
    def fit(neurons: np.ndarray) -> SimpleNamespace:
        on_dev = {1: 0.2, 2: 0.5, 3: 0.89, 4: 0.95}[len(neurons)]
        return SimpleNamespace(dev_score=on_dev, test_score=1 - on_dev)

    found = shrink(np.arange(8), SimpleNamespace(dev_score=1.0, test_score=0.1), fit, keep=0.9)
    assert found.smallest == 4
    assert list(found.fits) == [1, 2, 3, 4]


def test_a_report_names_words_and_is_read_again(report: NeuronReport, tmp_path: Path) -> None:
    nouns = {w for e in open_corpus(CORPUS) for w, t in zip(e.words, e.annotations["upos"], strict=True) if t == "NOUN"}
    described = report.neuron(0, NOUNS)
    assert {word["word"] for word in described["words_high"][:4]} <= nouns
    assert [context["label"] for context in described["high"][:4]] == ["NOUN"] * 4
    counts = described["histogram"]["counts"]
    assert sum(map(sum, counts.values())) == report.sets(0, ALL)[0].n
    assert report.neuron(0, 3)["label"] is None
    with pytest.raises(UsageError, match="describes no neuron 0:23"):
        report.neuron(0, 23)
    again = NeuronReport.read(report.write(tmp_path / "neurons.jsonl"))
    assert str(again) == str(report)
    assert "+5" in str(report)
    assert len(report.agreement) == 15
    assert report.save_plot(tmp_path / "curve.png").stat().st_size > 10_000
    assert report.plot_histogram(0, NOUNS).get_legend().get_texts()[0].get_text() == "NOUN"


def test_the_analysis_keeps_a_tenth(root: Path) -> None:
    found = probe(cache=root, task="pos", layers=0, also="neurons", fast=True)
    rows = {row.method: row for row in found.rows if row.split == "test" and row.metric == "accuracy"}
    assert rows["first_neurons"].value > rows["last_neurons"].value
    assert rows["random_neurons"].role == "floor"
    (said,) = (note for note in found.provenance["notes"] if re.search(r"one in 10 of each layer alone \(1\)", note))
    three = ", ".join(f"{name} {rows[f'{name}_neurons'].value:.3f}" for name in ("first", "random", "last"))
    assert f"test accuracy: layer 0: {three}." in said


def test_heat_is_escaped_and_its_marks_need_no_colour(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    words = ["<b>", "&", "plain", "high", "low"]
    vectors = [[*rng.normal(size=3), value] for value in (0, 0.2, -0.1, 9, -9)]
    lines = [" ".join([word, *map(str, vector)]) for word, vector in zip(words, vectors, strict=True)]
    (tmp_path / "v.txt").write_text("\n".join(lines) + "\n")
    made = extract(f"static:{tmp_path / 'v.txt'}", [words, ["plain", "&"], ["high", "plain"]], cache=tmp_path / "c")
    cache = ActivationCache.open(made.cache)
    found = heat(cache, 0, 3, most=1)
    page = found.html()
    assert page.count("<b>") == len(found.ids) == 1
    assert "&lt;b&gt;" in page
    assert "&amp;" in page
    assert "http" not in page
    text = found.text()
    assert re.search(r"\bhigh\++", text)
    assert re.search(r"\blow-+", text)
    assert "plain " in text
    values = dict(zip(found.frame["word"], found.frame["value"], strict=True))
    assert values["high"] > 1 > values["plain"] > -1 > values["low"]
    assert [mark(value) for value in (0.9, 1.0, -2.5, 7.0, np.nan)] == ["", "+", "--", "+++", ""]
    assert found.write(tmp_path / "heat.html").read_text() == page
    for wrong, said in (({"neuron": 4}, "numbered 0 to 3"), ({"neuron": 0, "examples": ["x"]}, "no example 'x'")):
        with pytest.raises(UsageError, match=said):
            heat(cache, 0, **wrong)


def test_what_cannot_be_ranked_is_refused(root: Path) -> None:
    for options, said in (
        ({"task": "tree-distance"}, "structural probe"),
        ({"estimator": "knn"}, "linear probe: logistic or elastic-net"),
        ({"settings": NeuronSettings(rankings=("weight",))}, "Did you mean 'weights'"),
        ({"settings": NeuronSettings(labels=("NOUNS",))}, "no label 'NOUNS'"),
        ({"settings": NeuronSettings(neurons=("3:1",), rankings=("probeless",))}, "of no layer that is looked at"),
    ):
        with pytest.raises(UsageError, match=said):
            view_neurons(cache=root, **{"layers": 0, **options})
    with pytest.raises(UsageError, match="like 3:17"):
        NeuronSettings(neurons=("17",))
    with pytest.raises(UsageError, match="keep"):
        NeuronSettings(keep=1.5)


def test_a_neuron_that_is_not_there_is_refused_before_any_is_ranked(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probekit.viewing.neurons.layer.fit_alone", None)
    with pytest.raises(UsageError, match=f"numbered 0 to {D - 1}"):
        view_neurons(cache=root, layers=0, settings=NeuronSettings(neurons=(f"0:{D}",)))
