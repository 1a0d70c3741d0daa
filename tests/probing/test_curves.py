"""Accuracy against training size and against the size of the probe."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from tiny_models import LAYERS, tiny_model

from probekit import ActivationCache, extract, probe
from probekit.errors import UsageError
from probekit.probing.analyses.training_sizes import nested
from probekit.probing.estimators.mlp import fit_mlp_layers
from probekit.probing.problem import Problem
from probekit.probing.solvers.network import NetworkSettings
from probekit.probing.solvers.strengths import STRENGTHS
from probekit.report import LayerReport
from probekit.report.render.pareto import pareto_front, plot_pareto, save_pareto
from probekit.report.render.sizes import best_curve, layer_curves, plot_sizes, save_sizes


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> ActivationCache:
    made = extract(tiny_model("bert"), "grammar:n=200", overflow="window", cache=tmp_path_factory.mktemp("root"))
    return ActivationCache.open(made.cache)


def test_sizes_are_nested_whole_sentences() -> None:
    sentences = np.repeat(np.arange(400), 5)
    parts = list(nested(sentences, np.arange(2000) % 7, seed=0))
    assert [len(rows) for rows in parts] == sorted({len(rows) for rows in parts})
    for smaller, larger in itertools.pairwise(parts):
        assert set(smaller) < set(larger)
    for rows in parts:
        assert len(rows) == 5 * len(np.unique(sentences[rows]))
    assert len(parts[-1]) == pytest.approx(0.3 * 2000, abs=5)
    assert list(nested(sentences, np.zeros(2000, int), seed=0)) == []


def test_more_labels_teach_more_and_the_whole_is_the_study(opened: ActivationCache) -> None:
    report = probe("pos", on=opened, fast=True, layers=[0, LAYERS], also=["training-sizes"])
    sizes = sorted(
        (int(method.partition(":")[2]), method)
        for method in {row.method for row in report.rows if row.method.startswith("size:")}
    )
    assert len(sizes) > 2
    for split in ("dev", "test"):
        whole, first = (report.points(sizes[place][1], split=split) for place in (-1, 0))
        assert {layer: point.value for layer, point in whole.items()} == {
            layer: point.value for layer, point in report.points(split=split).items()
        }
        assert all(whole[layer].value > first[layer].value for layer in whole)


def test_without_a_relu_a_hidden_layer_is_a_rank() -> None:
    """Five classes along a circle of four axes need rank 4 of a linear probe; one unit cannot tell them apart."""
    rng = np.random.default_rng(0)
    y = rng.integers(5, size=900)
    X = (6 * np.eye(5, 12)[y] + rng.standard_normal((900, 12))).astype(np.float32)
    asked = [Problem("task", y[:700], y[700:800], y[800:], 5)]

    def score(hidden: int, *, rectified: bool) -> float:
        settings = NetworkSettings(hidden=hidden, rectified=rectified)
        ((fit,),) = fit_mlp_layers([X[:700]], [X[700:800]], X_test=[X[800:]], problems=asked, settings=settings)
        return fit.test_score

    assert score(1, rectified=False) < 0.7 < 0.85 < score(4, rectified=False)
    # Parity of two signs: no linear map of any rank has it.
    X = 0.3 * rng.standard_normal((900, 12)).astype(np.float32)
    X[:, :2] += 2 * rng.choice([-1, 1], size=(900, 2))
    y[:] = (X[:, 0] > 0) ^ (X[:, 1] > 0)
    asked[0] = Problem("parity", y[:700], y[700:800], y[800:], 2)
    assert score(12, rectified=False) < 0.65 < 0.8 < score(64, rectified=True)


def test_the_front_is_what_no_smaller_probe_beats() -> None:
    probes = {"a": (1, 0.5), "b": (2, 0.4), "c": (2, 0.7), "d": (3, 0.7), "e": (9, 0.8)}
    assert pareto_front(probes) == ["a", "c", "e"]


def test_sizes_of_probes_are_reported_and_drawn(opened: ActivationCache, tmp_path: Path) -> None:
    report = probe("pos", on=opened, fast=True, layers=[1], also=["complexity"])
    d, classes = 32, report.provenance["classes"]
    parameters = {row.method: row.value for row in report.select(split="test", metric="parameters")}
    assert parameters["rank:4"] == 4 * (d + classes) + classes
    assert parameters["hidden:16"] == 16 * (d + classes + 1) + classes
    ranks = [report.points(f"rank:{rank}")[1].value for rank in (1, 8)]
    assert ranks[0] < ranks[1]
    axes = plot_pareto(report)
    assert axes.get_xscale() == "log"
    assert save_pareto(report, tmp_path / "pareto.svg").stat().st_size > 1000
    with pytest.raises(UsageError, match="--also complexity"):
        plot_pareto(probe("pos", on=opened, fast=True, layers=[1]))


def test_every_strength_is_reported_and_the_chosen_one_is_the_best(opened: ActivationCache, tmp_path: Path) -> None:
    report = probe("pos", on=opened, fast=True, layers=[0, LAYERS], also=["strengths"])
    for layer in (0, LAYERS):
        curve = [r for r in report.rows if r.method.startswith("strength:") and r.layer == layer]
        tried = {row.strength: row.value for row in curve if row.split == "dev"}
        (chosen,) = (
            row for row in report.select(split="dev", metric="accuracy", method="logistic") if row.layer == layer
        )
        assert set(STRENGTHS) <= set(tried)
        assert chosen.value == tried[chosen.strength] == max(tried.values())
        assert chosen.strength == min(C for C, value in tried.items() if value == chosen.value)
        assert tried[min(tried)] < max(tried.values())
    assert plot_pareto(report, by="strength").get_xlabel().startswith("strength C")
    assert save_pareto(report, tmp_path / "strengths.svg", by="strength").stat().st_size > 1000
    with pytest.raises(UsageError, match="--also strengths"):
        plot_pareto(probe("pos", on=opened, fast=True, layers=[1]), by="strength")
    with pytest.raises(UsageError, match="estimator 'knn'"):
        probe("pos", on=opened, fast=True, layers=[1], estimator="knn", also=["strengths"])


def test_training_sizes_are_drawn_a_layer_or_a_model_each(opened: ActivationCache, tmp_path: Path) -> None:
    report = probe("pos", on=opened, fast=True, layers=[0, LAYERS], also=["training-sizes"])
    curves = layer_curves(report)
    assert set(curves) == {0, LAYERS}
    axes = plot_sizes([report])
    assert axes.get_xscale() == "log"
    drawn = [line.get_label() for line in axes.get_lines()]
    assert drawn == ["layer 0", f"layer {LAYERS}"]
    # The best layer at every size is one of the layers; with one layer it is that one.
    for size, point in best_curve(report).items():
        assert point in (curves[0][size], curves[LAYERS][size])
    alone = LayerReport(tuple(row for row in report.rows if row.layer == 0), report.provenance)
    assert best_curve(alone) == curves[0]
    axes = plot_sizes([report, alone], ["both", "lowest"])
    assert [line.get_label() for line in axes.get_lines()] == ["both", "lowest"]
    assert save_sizes([report, alone], tmp_path / "sizes.png").stat().st_size > 1000
    with pytest.raises(UsageError, match="--also training-sizes"):
        plot_sizes([probe("pos", on=opened, fast=True, layers=[1])])
