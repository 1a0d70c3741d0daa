"""The online code of Voita & Titov (2020), computed apart: own order, own blocks, own fits, own bits."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from language import planted_language
from plain import GRID, layer_of, mean, scaled, token_rows
from sklearn.linear_model import LogisticRegression

from probekit import ActivationCache, LayerReport, probe
from probekit.corpus import Example
from probekit.probing.analyses.code_length.online import online_codes
from probekit.probing.problem import Problem

PER_CENT = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.25, 12.5, 25, 50, 100)
"""Where blocks end, in the paper's words."""


def stops_of(sizes: Sequence[int]) -> list[int]:
    """Where blocks end: each at the end of the sentence that is nearest to its share of the rows."""
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    wanted = [share / 100 * ends[-1] for share in PER_CENT]
    return sorted({min(ends, key=lambda end, goal=goal: abs(end - goal)) for goal in wanted})


def bits_of(
    X: np.ndarray, y: np.ndarray, stops: Sequence[int], C: float, *, classes: int, seen_once: bool
) -> list[float]:
    """The first block at log2 K bits a label; each other one under the fit on all before it.

    With ``seen_once`` each fit also has every class once at the mean of all vectors.
    """
    bits = [stops[0] * math.log2(classes)]
    for known, stop in pairwise(stops):
        rows, labels = X[:known], y[:known]
        if seen_once:
            rows, labels = np.vstack([np.zeros((classes, X.shape[1])), rows]), np.append(np.arange(classes), labels)
        fit = LogisticRegression(C=C, tol=1e-7, max_iter=20_000).fit(rows, labels)
        total = 0.0
        for chances, label in zip(fit.predict_proba(X[known:stop]), y[known:stop], strict=True):
            total -= math.log2(chances[list(fit.classes_).index(label)])
        bits.append(total)
    return bits


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> tuple[ActivationCache, list[Example]]:
    return planted_language(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def report(language: tuple[ActivationCache, list[Example]]) -> LayerReport:
    return probe("pos", on=language[0], corpus=language[1], layers=[1, "final"], also=["online-code"])


def training(language: tuple[ActivationCache, list[Example]], layer: int | str) -> list[tuple[np.ndarray, list[str]]]:
    """Vectors and tags of each training sentence, standardised by all of training."""
    cache, examples = language
    rows = token_rows(cache)
    vectors = layer_of(cache, layer)
    sentences = [
        (np.array([mean(vectors, rows[i, place]) for place in range(len(e.words))]), list(e.annotations["upos"]))
        for i, e in enumerate(examples)
        if e.split == "train"
    ]
    (whole,) = scaled(np.vstack([X for X, _ in sentences]))
    cuts = np.cumsum([len(y) for _, y in sentences])[:-1]
    return [(X, y) for X, (_, y) in zip(np.split(whole, cuts), sentences, strict=True)]


@pytest.mark.parametrize("layer", [1, "final"])
def test_bits_of_a_report_are_those_of_plain_fits(
    language: tuple[ActivationCache, list[Example]], report: LayerReport, layer: int | str
) -> None:
    sentences = training(language, layer)
    order = np.random.default_rng(0).permutation(len(sentences))  # the seed of `probe`
    sent = [sentences[i] for i in order]
    names = sorted({tag for _, tags in sentences for tag in tags})
    X, y = np.vstack([X for X, _ in sent]), np.array([names.index(tag) for _, tags in sent for tag in tags])
    stops = stops_of([len(tags) for _, tags in sent])
    assert len(stops) >= len(PER_CENT) - 1  # the smallest may end at one sentence
    by_strength = {C: sum(bits_of(X, y, stops, C, classes=len(names), seen_once=True)) for C in GRID[:4]}
    plain = min(by_strength.values()) + math.log2(len(GRID))
    assert min(by_strength, key=by_strength.__getitem__) < GRID[3]  # so that the one left out could not be it
    bits, compression = (
        report.points("online_code", split="train", metric=m)[layer].value for m in ("bits", "compression")
    )
    assert bits == pytest.approx(plain, rel=2e-3)
    assert compression == pytest.approx(len(y) * math.log2(len(names)) / plain, rel=2e-3)


def classes_in_space(n: int, k: int, loud: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(k, size=n)
    return (loud * rng.standard_normal((k, 10))[y] + rng.standard_normal((n, 10))).astype(np.float32), y


@pytest.mark.parametrize(("k", "loud"), [(2, 0.5), (5, 0.5), (5, 0.0)])
def test_over_orders_drawn_apart_the_code_costs_the_same(k: int, loud: float) -> None:
    """Not even the order is shared: the mean over orders differs by what orders differ."""
    X, y = classes_in_space(1500, k, loud, seed=0)
    rows = scaled(X.astype(np.float64))[0]
    asked = [Problem("task", y, y[:0], y[:0], k)]
    here = [online_codes(X, asked, strengths=[0.1], seed=seed)[0].bits for seed in range(8)]
    there = []
    for seed in range(100, 104):
        order = list(range(1500))
        random.Random(seed).shuffle(order)
        there.append(sum(bits_of(rows[order], y[order], stops_of([1] * 1500), 0.1, classes=k, seen_once=True)))
    error = math.hypot(np.std(here, ddof=1) / 8**0.5, np.std(there, ddof=1) / 4**0.5)
    assert abs(np.mean(here) - np.mean(there)) < 4 * error
    assert error < 0.02 * np.mean(there)


def test_what_seeing_each_class_once_changes() -> None:
    """The paper's fits see only labels that were sent: a class that is new then costs infinitely many bits.

    Where the first block holds every class, the two differ by the little that K rows among hundreds say.
    """
    X, y = classes_in_space(8000, 3, 0.5, seed=1)
    rows, stops = scaled(X.astype(np.float64))[0], stops_of([1] * 8000)
    y[: stops[0]] = np.arange(stops[0]) % 3
    once, never = (bits_of(rows, y, stops, 0.1, classes=3, seen_once=way) for way in (True, False))
    assert once[0] == never[0] == pytest.approx(8 * math.log2(3))
    assert sum(once) == pytest.approx(sum(never), rel=0.02)
    late = np.where(y == 2, 0, y)
    late[-1] = 2
    with pytest.raises(ValueError, match="is not in list"):
        bits_of(rows, late, stops, 0.1, classes=3, seen_once=False)
    # A class unseen among t rows and K counted ones has a chance near 1 / (t + K).
    surprise = bits_of(rows, late, stops, 0.1, classes=3, seen_once=True)[-1] - sum(
        bits_of(rows[:-1], late[:-1], [*stops[:-1], 7999], 0.1, classes=3, seen_once=True)[-1:]
    )
    assert surprise == pytest.approx(math.log2(4003), abs=3)


def test_bits_tell_task_from_noise(report: LayerReport) -> None:
    tags, noise = (
        report.points("online_code", split="train", metric="compression")[layer].value for layer in (1, "final")
    )
    control = report.points("online_code_control", split="train", metric="compression")[1].value
    assert tags > control + 0.05
    assert 0.9 < noise < 1.3 < tags
