"""Edge probing's spans and pairs (Tenney et al. 2019; endpoints: Lee et al. 2017), by plain loops over sub-words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from language import planted_language
from plain import GRID, chosen, fitted, layer_of, mean, scaled, token_rows

from probekit import ActivationCache, probe
from probekit.corpus import Example
from probekit.features import Pooler, collect
from probekit.tasks import ProbeTask, Target, get_task

LAYER = 1
Array = np.ndarray

TASK_FILE = '''
"""Which tag has the word between what stands before it and what stands from it on?"""
from probekit import ProbeTask, Target

def targets(example):
    for i in range(1, len(example.words) - 1):
        yield Target(((max(0, i - 2), i), (i, min(i + 2, len(example.words)))), example.annotations["upos"][i])

TASK = ProbeTask("next-tag", targets, kind="pair", needs=("upos",), reference="planted")
'''


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> tuple[ActivationCache, list[Example]]:
    return planted_language(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "next_tag.py").write_text(TASK_FILE)
    return folder


def span_rows(rows: dict[tuple[int, int], list[int]], example: int, span: tuple[int, int]) -> list[int]:
    """The rows of all sub-words of a span, left to right."""
    return [row for word in range(*span) for row in rows[example, word]]


POOLS: dict[str, Callable[[Array, list[int]], Array]] = {
    "mean": mean,
    "first": lambda vectors, rows: vectors[rows[0]],
    "last": lambda vectors, rows: vectors[rows[-1]],
    "endpoints": lambda vectors, rows: np.concatenate([vectors[rows[0]], vectors[rows[-1]]]),
}
PAIRS: dict[str, Callable[[Array, Array], Array]] = {
    "concat": lambda one, other: np.concatenate([one, other]),
    "product": lambda one, other: np.array([a * b for a, b in zip(one, other, strict=True)]),
    "difference": lambda one, other: np.array([a - b for a, b in zip(one, other, strict=True)]),
}


def spans_task(example: Example) -> list[Target]:
    """Every span of one to three words."""
    n = len(example.words)
    return [Target(((i, j),), "x") for i in range(n) for j in range(i + 1, min(i + 3, n) + 1)]


def in_splits(examples: list[Example], spans: Callable[[Example], list[Target]]) -> list[tuple[int, Target]]:
    """Targets as a table has them: train, dev, test, corpus order inside."""
    return [
        (number, target)
        for split in ("train", "dev", "test")
        for number, example in enumerate(examples)
        if example.split == split
        for target in spans(example)
    ]


@pytest.mark.parametrize("pool", POOLS)
def test_a_span_is_pooled_as_the_loop_pools_it(language: tuple[ActivationCache, list[Example]], pool: str) -> None:
    cache, examples = language
    rows, vectors = token_rows(cache), layer_of(cache, LAYER)
    plain = [
        POOLS[pool](vectors, span_rows(rows, number, target.spans[0]))
        for number, target in in_splits(examples, spans_task)
    ]
    table = collect(ProbeTask("spans", spans_task, kind="span"), examples, where="here")
    found = Pooler(cache.index(""), table, pool=pool).matrix(cache.layer(LAYER, ""))
    np.testing.assert_allclose(found, np.array(plain), rtol=1e-5, atol=1e-5)
    for other in {"mean", "first", "last"} - {pool}:
        wrong = Pooler(cache.index(""), table, pool=other).matrix(cache.layer(LAYER, ""))
        assert wrong.shape != found.shape or np.abs(found - wrong).max() > 1


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("pair", PAIRS)
def test_a_pair_is_joined_as_the_loop_joins_it(
    language: tuple[ActivationCache, list[Example]], folder: Path, pool: str, pair: str
) -> None:
    cache, examples = language
    rows, vectors = token_rows(cache), layer_of(cache, LAYER)
    task = get_task("next-tag", folder)
    plain = [
        PAIRS[pair](*(POOLS[pool](vectors, span_rows(rows, number, span)) for span in target.spans))
        for number, target in in_splits(examples, lambda example: list(task.targets(example)))
    ]
    table = collect(task, examples, where="here")
    found = Pooler(cache.index(""), table, pool=pool, pair=pair).matrix(cache.layer(LAYER, ""))
    np.testing.assert_allclose(found, np.array(plain), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("pool", "pair"), [("endpoints", "concat"), ("mean", "difference"), ("first", "product")])
def test_a_fitted_pair_probe_scores_as_scikit_learns(
    language: tuple[ActivationCache, list[Example]], folder: Path, pool: str, pair: str
) -> None:
    cache, examples = language
    rows, vectors = token_rows(cache), layer_of(cache, LAYER)
    X: dict[str, list[Array]] = {"train": [], "dev": [], "test": []}
    y: dict[str, list[str]] = {"train": [], "dev": [], "test": []}
    for number, example in enumerate(examples):
        assert example.split is not None
        for i in range(1, len(example.words) - 1):
            spans = (max(0, i - 2), i), (i, min(i + 2, len(example.words)))
            one, other = (POOLS[pool](vectors, span_rows(rows, number, span)) for span in spans)
            X[example.split].append(PAIRS[pair](one, other))
            y[example.split].append(example.annotations["upos"][i])
    parts = scaled(*(np.array(part) for part in X.values()))
    fits = {C: fitted(parts, list(y.values()), C) for C in GRID}
    report = probe(
        "next-tag", on=cache, corpus=examples, layers=[LAYER], pool=pool, pair=pair, probes=[folder], fast=True
    )
    (named,) = {row.strength for row in report.select("logistic")}
    plain = fits.get(named) or fitted(parts, list(y.values()), named)
    few = 4.01 / len(X["test"])
    assert plain.dev >= chosen(list(fits.values())).dev - few
    assert report.points(split="dev")[LAYER].value == pytest.approx(plain.dev, abs=few)
    assert report.points(split="test")[LAYER].value == pytest.approx(plain.test, abs=few)
    floor = report.floor("majority")
    assert floor is not None
    # The word itself is the first token of the second span: only what keeps it apart reads its tag well.
    assert (plain.test > floor.value + 0.2) == (pair == "concat")
