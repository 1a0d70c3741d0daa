"""Selectivity as Hewitt & Liang (2019) define it, computed apart: own labels, own fits, own difference."""

from __future__ import annotations

import bisect
import hashlib
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from language import planted_language
from plain import GRID, Fitted, chosen, fitted, layer_of, mean, scaled, token_rows
from scipy.stats import chisquare

from probekit import ActivationCache, LayerReport, probe
from probekit.corpus import Example
from probekit.probing.floors import control_codes

LAYERS = (0, 1, 2)
A_FEW = 3.01 / 1000


def rule(form: str, seed: int, shares: list[tuple[str, float]]) -> str:
    """A form's label: a hash of seed and form is a number in [0, 1); the label whose share of training it falls in."""
    digest = hashlib.blake2b(f"{seed}|{len(form)}:{form}".encode(), digest_size=8).hexdigest()
    number, reached = int(digest, 16) / 16**16, []
    for _, share in shares:
        reached.append(share + (reached[-1] if reached else 0.0))
    return shares[min(bisect.bisect_right(reached, number), len(shares) - 1)][0]


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> tuple[ActivationCache, list[Example]]:
    return planted_language(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def cache(language: tuple[ActivationCache, list[Example]]) -> ActivationCache:
    return language[0]


@pytest.fixture(scope="module")
def examples(language: tuple[ActivationCache, list[Example]]) -> list[Example]:
    return language[1]


@pytest.fixture(scope="module")
def report(language: tuple[ActivationCache, list[Example]]) -> LayerReport:
    return probe("pos", on=language[0], corpus=language[1], layers=list(LAYERS))


def shares_of(examples: list[Example]) -> list[tuple[str, float]]:
    counts = Counter(tag for e in examples if e.split == "train" for tag in e.annotations["upos"])
    return [(label, counts[label] / counts.total()) for label in sorted(counts)]


def columns(
    examples: list[Example], cache: ActivationCache, layer: int, label: Callable[[str, str], str]
) -> tuple[list[np.ndarray], list[list[str]]]:
    """Vectors and labels of the words of each split, standardised by training."""
    rows, vectors = token_rows(cache), layer_of(cache, layer)
    X: dict[str, list[np.ndarray]] = {"train": [], "dev": [], "test": []}
    y: dict[str, list[str]] = {"train": [], "dev": [], "test": []}
    for number, example in enumerate(examples):
        assert example.split is not None
        for place, (word, tag) in enumerate(zip(example.words, example.annotations["upos"], strict=True)):
            X[example.split].append(mean(vectors, rows[number, place]))
            y[example.split].append(label(word, tag))
    return scaled(*(np.array(X[split]) for split in ("train", "dev", "test"))), list(y.values())


@pytest.mark.parametrize("layer", LAYERS)
def test_task_control_and_selectivity_are_those_of_plain_fits(
    cache: ActivationCache, report: LayerReport, examples: list[Example], layer: int
) -> None:
    """At the strength the report names, up to :data:`A_FEW` of a thousand words; and dev names that strength."""
    shares = shares_of(examples)
    plain: dict[str, Fitted] = {}
    for method, label in (("logistic", lambda word, tag: tag), ("control", lambda word, tag: rule(word, 0, shares))):
        X, y = columns(examples, cache, layer, label)
        fits = {C: fitted(X, y, C) for C in GRID}
        assert len(X[1]) > 1000
        (named,) = {row.strength for row in report.select(method) if row.layer == layer}
        # Beside the best of the grid there are strengths between.
        plain[method] = fits.get(named) or fitted(X, y, named)
        assert plain[method].dev >= chosen(list(fits.values())).dev - A_FEW
        for split in ("dev", "test"):
            found = report.points(method, split=split)[layer].value
            assert found == pytest.approx(getattr(plain[method], split), abs=A_FEW)
    for split in ("dev", "test"):
        found = report.points("selectivity", split=split)[layer].value
        expected = getattr(plain["logistic"], split) - getattr(plain["control"], split)
        assert found == pytest.approx(expected, abs=A_FEW)


def test_selectivity_tells_the_layer_of_tags_from_the_layer_of_forms(report: LayerReport) -> None:
    forms, both, tags = (report.points("selectivity")[layer].value for layer in LAYERS)
    assert forms < -0.1
    assert tags > 0.1
    assert forms < both < tags


def test_control_labels_are_the_rule_and_no_other(examples: list[Example]) -> None:
    words = [word for example in examples for word in example.words]
    shares = shares_of(examples)
    names = [label for label, _ in shares]
    train = [names.index(tag) for e in examples if e.split == "train" for tag in e.annotations["upos"]]
    for seed in (0, 7):
        codes = control_codes(words, np.array(train, np.int32), n_classes=len(names), seed=seed)
        assert [names[code] for code in codes] == [rule(word, seed, shares) for word in words]
    assert [rule(word, 0, shares) for word in words] != [rule(word, 7, shares) for word in words]


def test_control_labels_have_the_training_distribution_over_forms_and_one_label_a_form() -> None:
    shares = [0.5, 0.3, 0.15, 0.05]
    train = np.repeat(np.arange(4), [500, 300, 150, 50]).astype(np.int32)
    forms = [f"form{i}" for i in range(20_000)]
    codes = control_codes([*forms, *reversed(forms)], train, n_classes=4, seed=3)
    np.testing.assert_array_equal(codes[:20_000], codes[:19_999:-1])
    counts = np.bincount(codes[:20_000])
    assert chisquare(counts, 20_000 * np.array(shares)).pvalue > 1e-3
    assert chisquare(counts, np.full(4, 5000)).pvalue < 1e-9
    # Another draw knows nothing of this one: they agree as often as two labels of the distribution do.
    again = control_codes(forms, train, n_classes=4, seed=4)
    agree, expected = (again == codes[:20_000]).mean(), sum(share**2 for share in shares)
    assert agree == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 20_000))


def test_labels_drawn_anew_for_every_word_cannot_be_learnt(cache: ActivationCache, examples: list[Example]) -> None:
    """The opposite: it is one label a form that makes the control a task of memory."""
    rng, shares = np.random.default_rng(0), shares_of(examples)
    names, chances = zip(*shares, strict=True)
    X, by_form = columns(examples, cache, 0, lambda word, tag: rule(word, 0, shares))
    _, by_word = columns(examples, cache, 0, lambda word, tag: str(rng.choice(names, p=chances)))
    most = max(Counter(by_word[2]).values()) / len(by_word[2])
    assert fitted(X, by_form, 10.0).test > most + 0.3
    assert fitted(X, by_word, 10.0).test < most + 0.05
