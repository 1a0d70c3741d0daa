"""Every measure of similarity is held to the same table; a score has an interval and a floor that are true."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from plugins import install

from probekit.registry import Registry
from probekit.statistics.alike import PARTS, added, compare_rows, deal, without_each
from probekit.statistics.similarity import MEASURES, Measure

Array = NDArray[np.float64]
every = pytest.mark.parametrize("measure", MEASURES.members().values(), ids=list(MEASURES.members()))


def drawn(n: int, *, width: int = 8, noise: float = 1.0, seed: int = 0, clusters: int = 0) -> tuple[Array, Array]:
    """Two sides that share a signal; with clusters, what rows of one cluster have in common too."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, width)) * np.linspace(0.5, 2, width) + 3
    mixed = np.random.default_rng(99).normal(size=(width, 5)) / np.sqrt(width)
    if clusters:
        x += rng.normal(size=(clusters, width))[np.arange(n) * clusters // n]
    y = x @ mixed + noise * rng.normal(size=(n, 5)) - 1
    return x, y


def rotation(width: int) -> Array:
    return np.linalg.qr(np.random.default_rng(7).normal(size=(width, width)))[0]


def measured(measure: Measure, x: Array, y: Array) -> float:
    return measure.value(measure.gather(x - x.mean(0), y - y.mean(0)))


@every
def test_the_same_turned_scaled_and_moved_is_1_and_what_is_unrelated_is_its_floor(measure: Measure) -> None:
    x, y = drawn(160)
    other = np.random.default_rng(5).normal(size=(160, 6))
    assert measured(measure, x, x) == pytest.approx(1)
    assert measured(measure, x, 3 * x @ rotation(8) + 2) == pytest.approx(1)
    parts = deal(np.arange(160) // 4)
    found = compare_rows(measure, x, other, parts, draws=40)
    assert abs((found.value or 0) - np.mean(found.floor)) < 4 * np.std(found.floor)
    related = compare_rows(measure, x, y, parts, draws=40)
    assert (related.value or 0) > max(related.floor) + 0.1
    assert measure.least <= min(found.floor)


@every
def test_blocks_give_what_the_whole_gives_and_parts_are_left_out(measure: Measure) -> None:
    x, y = drawn(90)
    rows = [np.arange(start, 90, 7) for start in range(7)]
    kept = [measure.gather(x[part] - 3, y[part]) for part in rows]
    order = np.concatenate(rows)
    assert measure.value(added(kept)) == pytest.approx(measured(measure, x, y), abs=1e-9)
    for part, others in zip(rows, without_each(kept), strict=True):
        rest = np.setdiff1d(order, part)
        assert measure.value(others) == pytest.approx(measured(measure, x[rest], y[rest]), abs=1e-9)


@every
def test_scale_a_dimension_that_does_not_vary_and_fewer_rows_than_dimensions(measure: Measure) -> None:
    x, y = drawn(60)
    value = measured(measure, x, y)
    assert measured(measure, 1e-3 * x, 1e3 * y) == pytest.approx(value, abs=1e-9)
    assert measured(measure, np.hstack([x, np.full((60, 1), 7.0)]), y) == pytest.approx(value, abs=1e-9)
    wide = np.random.default_rng(1).normal(size=(12, 30))
    assert measured(measure, wide, wide @ rotation(30)) == pytest.approx(1)
    assert measure.least <= measured(measure, wide, np.random.default_rng(2).normal(size=(12, 30))) <= 1 + 1e-9


@every
def test_what_does_not_vary_has_no_similarity(measure: Measure) -> None:
    x, _ = drawn(60)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compare_rows(measure, x, np.full((60, 3), 0.1, np.float32), deal(np.arange(60)))
    assert (found.value, found.interval, found.floor) == (None, None, ())


@every
def test_sides_can_be_exchanged_where_a_measure_says_so(measure: Measure) -> None:
    x, y = drawn(200, noise=2.0)
    there, back = measured(measure, x, y), measured(measure, y, x)
    assert (there == pytest.approx(back, abs=1e-9)) == measure.symmetric


@every
def test_the_interval_is_as_wide_as_fresh_draws_differ(measure: Measure) -> None:
    """Wider at most: singular values near 0 turn back there, and leaving parts out shows it more than fresh rows do."""
    values, reaches = [], []
    for seed in range(40):
        found = compare_rows(
            measure, *drawn(120, noise=1.5, seed=seed, clusters=40), deal(np.arange(120) // 3), draws=0
        )
        assert found.value is not None
        assert found.interval is not None
        values.append(found.value)
        reaches.append((found.interval[1] - found.interval[0]) / 2 / 2.09)
    assert 0.75 < np.mean(reaches) / np.std(values) < 1.7


def test_a_resample_with_repeats_would_be_biased() -> None:
    """Why parts are left out instead: of unrelated rows, copies are alike on both sides."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 8)), rng.normal(size=(60, 8))
    for name, least in (("cka", 0.04), ("rsa", 0.02), ("svcca", 0.03)):
        measure = MEASURES.members()[name]
        again = [measured(measure, x[rows], y[rows]) for rows in rng.integers(0, 60, (60, 60))]
        assert np.mean(again) > measured(measure, x, y) + least, name


def test_few_units_have_no_interval_and_seeds_repeat() -> None:
    x, y = drawn(60)
    measure = MEASURES.members()["cka"]
    assert compare_rows(measure, x, y, deal(np.arange(60) // 15)).interval is None
    first, again, other = (compare_rows(measure, x, y, deal(np.arange(60), seed=s), seed=s) for s in (0, 0, 1))
    assert first == again
    assert first.floor != other.floor
    assert first.value == pytest.approx(other.value)
    assert len(deal(np.arange(60))) == PARTS
    assert sorted(np.concatenate(deal(np.arange(60) // 3)).tolist()) == list(range(60))
    assert all(len(np.unique(part // 3)) * 3 == len(part) for part in deal(np.arange(60) // 3))


def test_canonical_correlations_that_must_be_1_are_said() -> None:
    rng = np.random.default_rng(0)
    pwcca = MEASURES.members()["pwcca"]
    few = compare_rows(pwcca, rng.normal(size=(20, 15)), rng.normal(size=(20, 12)), deal(np.arange(20)), draws=0)
    assert few.note == "8 of 12 correlations are 1 with any 20 rows"
    assert compare_rows(pwcca, *drawn(60), deal(np.arange(60)), draws=0).note == ""


FILE = '''"""Mean cosine of rows, of two sides of one width."""
import numpy as np
from probekit.statistics.similarity import Measure

class Sums(tuple):
    def __add__(self, other):
        return Sums(map(sum, zip(self, other)))

def gather(x, y):
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return Sums(((np.einsum("ij,ij->i", x, y) / lengths).sum(), len(x)))

MEASURE = Measure("cosine", gather, lambda sums: sums[0] / sums[1], "Mean cosine of rows.", "", least=-1.0)
'''


def test_another_package_adds_a_measure_by_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "alike-zoo", {"alike_zoo.py": FILE}, {MEASURES.group: ["cosine = alike_zoo"]})
    monkeypatch.syspath_prepend(tmp_path)
    known = Registry(
        "similarity", Measure, attribute=MEASURES.attribute, group=MEASURES.group, home="probekit.statistics.similarity"
    )
    x, _ = drawn(60)
    found = compare_rows(known.get("cosine", "measure"), x, x, deal(np.arange(60)), draws=2)
    assert found.value == pytest.approx(1)
    assert max(found.floor) < 0.5
    assert set(MEASURES.members()) < set(known.members())
