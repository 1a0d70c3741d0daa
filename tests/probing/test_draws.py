"""Control draws say the seed that made them, in every kind of study, and what was asked for but not done is told."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_models import tiny_model

from probekit import ActivationCache, extract, probe
from probekit.errors import InputError
from probekit.example import Example
from probekit.features import collect
from probekit.probing.floors import draw_seed
from probekit.statistics.bootstrap import Resampled, mean_of_draws
from probekit.tasks import ProbeTask, Target


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> ActivationCache:
    made = extract(tiny_model("bert"), "grammar:n=200", overflow="window", cache=tmp_path_factory.mktemp("root"))
    return ActivationCache.open(made.cache)


def test_random_projections_are_several_with_their_spread_and_no_control_task(opened: ActivationCache) -> None:
    report = probe("tree-distance", on=opened, layers=[1])
    assert not report.select("control") + report.select("selectivity")
    rows = report.select("random_projection", split="test", metric="dspr")
    assert [row.seed for row in rows] == [*(draw_seed(0, draw) for draw in range(5)), None]
    draws = [row.value for row in rows[:-1]]
    assert rows[-1].value == pytest.approx(np.mean(draws))
    (gained,) = report.select("gain_over_random", split="test", metric="dspr")
    assert {rows[-1].note, gained.note} == {"mean of 5 draws, whose variance is in the interval"}
    assert gained.value == pytest.approx(report.points(metric="dspr")[1].value - np.mean(draws))
    more = probe("tree-distance", on=opened, layers=[1], control_seeds=6)
    assert [row.value for row in more.select("random_projection", split="test", metric="dspr")[:5]] == draws
    assert not probe("tree-distance", on=opened, layers=[1], fast=True).select("random_projection")
    shown = str(report.table())
    assert "random projection" in shown
    assert "gain over random" in shown
    assert "selectivity" not in shown


def test_what_random_projections_spread_is_in_the_interval_of_their_mean_and_of_the_gain() -> None:
    """Draws that no unit tells apart have an error of their own alone."""
    steady = Resampled(np.full(20, 0.5), np.full(8, 0.5), np.ones(8))
    values = np.array([0.1, 0.2, 0.25, 0.3])
    mean, resampled = mean_of_draws([(value, steady) for value in values])
    assert mean == pytest.approx(values.mean())
    assert resampled.error() == pytest.approx(values.std(ddof=1) / 2)
    assert (steady - resampled).error() == pytest.approx(values.std(ddof=1) / 2)


@pytest.mark.parametrize(("task", "metric"), [("pos", "accuracy")])
def test_a_draw_alone_is_the_draw_of_its_seed(opened: ActivationCache, task: str, metric: str) -> None:
    """One row a draw and their mean; a study of one draw with a reported seed gives that row again."""
    several = probe(task, on=opened, layers=[1], control_seeds=2)
    rows = several.select("control", split="test", metric=metric)
    assert [row.seed for row in rows] == [draw_seed(0, 0), draw_seed(0, 1), None]
    assert rows[2].note.startswith("mean of 2 draws")
    assert rows[2].value == pytest.approx((rows[0].value + rows[1].value) / 2)
    pairs = zip(*(several.select("control", metric=metric)[at::3] for at in (0, 1)), strict=True)
    assert any(one.value != other.value for one, other in pairs)
    (gained,) = several.select("selectivity", split="test", metric=metric)
    assert gained.value == pytest.approx(several.points(metric=metric)[1].value - rows[2].value)
    (again,) = probe(task, on=opened, layers=[1], seed=rows[1].seed).select("control", split="test", metric=metric)
    assert (again.seed, again.value) == (rows[1].seed, pytest.approx(rows[1].value, abs=1e-6))


def test_ranks_beyond_the_width_are_told(opened: ActivationCache) -> None:
    report = probe("tree-distance", on=opened, layers=[1], fast=True, ranks=[4, 100, 500])
    assert {row.method for row in report.rows if row.layer == 1} == {"rank_4", "rank_32"}
    notes = "\n".join(report.provenance["notes"])
    assert "The vectors have 32 dimensions: rank 100, 500 are one and fitted as rank 32." in notes
    within = probe("tree-distance", on=opened, layers=[1], fast=True, ranks=[4])
    assert "dimensions" not in "\n".join(within.provenance["notes"])


def test_some_keys_are_refused_where_all_or_none_are_taken() -> None:
    examples = [Example(id=f"s{i}", words=("a", "b"), split="train") for i in range(3)]

    def task(*keys: str | None) -> ProbeTask:
        made = dict(zip(("s0", "s1", "s2"), keys, strict=True))
        return ProbeTask("keyed", lambda example: [Target(((0, 1),), "x", made[example.id])])

    assert collect(task("a", "b", "c"), examples, where="here").keys == ["a", "b", "c"]
    assert collect(task(None, None, None), examples, where="here").keys == [None] * 3
    with pytest.raises(
        InputError, match=r"'keyed' gives a key to some targets and none to 1 of 3.*'a' in example 's1'"
    ):
        collect(task("a", None, "c"), examples, where="here")
