"""The floor of an untrained model: where a task has no control it stands in the report, the same as probed alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import tiny_model

from probekit import LayerReport, extract, probe
from probekit.errors import UsageError

CORPUS = "grammar:n=80"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def trained(root: Path) -> Path:
    return extract(tiny_model("bert"), CORPUS, overflow="window", cache=root).cache


@pytest.fixture(scope="module")
def alone(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained cache once more, in a root without any other."""
    return extract(tiny_model("bert"), CORPUS, overflow="window", cache=tmp_path_factory.mktemp("alone")).cache


@pytest.fixture(scope="module")
def untrained(root: Path) -> Path:
    # The one to be taken is the older: the newer one reads other tokens.
    made = extract(tiny_model("bert"), CORPUS, overflow="window", cache=root, random_weights=3).cache
    extract(tiny_model("bert"), CORPUS, overflow="truncate", cache=root, random_weights=3)
    return made


def scores(report: LayerReport, method: str, split: str = "test") -> dict[object, float]:
    return {layer: point.value for layer, point in report.points(method, split=split).items()}


def test_a_task_without_control_is_given_the_floor_at_every_layer(trained: Path, untrained: Path) -> None:
    report = probe("sentence-length", trained)
    by_itself = probe("sentence-length", untrained)
    for split in ("dev", "test"):
        assert scores(report, "random_weights", split) == scores(by_itself, "logistic", split)
    row = report.select("random_weights", split="test")[0]
    itself = by_itself.select("logistic", split="test", metric="accuracy")[0]
    assert (row.low, row.high, row.n, row.n_groups) == (itself.low, itself.high, itself.n, itself.n_groups)
    notes = " ".join(report.provenance["notes"])
    assert "Its floor is bag of words and random weights." in notes
    assert f"(seed 3) are of the cache {untrained.name}." in notes
    assert "A further floor" not in notes
    best = report.best_layer()
    assert report.summary()["random_weights"] == scores(report, "random_weights")[best.layer]
    assert report.method == "logistic"
    assert "random weights" in str(report.table())
    assert "random weights" in [text.get_text() for text in report.plot().texts]
    assert LayerReport(report.rows[::-1], report.provenance).best_layer() == best


def test_where_there_is_none_or_a_control_or_no_time_it_is_not_there(
    trained: Path, untrained: Path, alone: Path
) -> None:
    for report in (
        probe("sentence-length", alone),
        probe("sentence-length", trained, fast=True),
        probe("sentence-length", untrained),
        probe("pos", trained, layers="0"),
    ):
        assert scores(report, "random_weights") == {}
    assert "random-weights 0" in " ".join(probe("sentence-length", alone).provenance["notes"])


@pytest.mark.parametrize("estimator", ["logistic", "attention"])
def test_it_can_be_asked_for_with_a_control_and_any_estimator(trained: Path, untrained: Path, estimator: str) -> None:
    report = probe("pos", trained, layers="0,1", also=("random-weights",), estimator=estimator, control_seeds=0)
    by_itself = probe("pos", untrained, layers="0,1", estimator=estimator, control_seeds=0)
    assert scores(report, "random_weights") == scores(by_itself, estimator)
    assert scores(report, estimator) != scores(by_itself, estimator)


def test_asked_for_without_such_a_cache_it_is_refused(alone: Path, untrained: Path) -> None:
    for cache in (alone, untrained):
        with pytest.raises(UsageError, match=r"no cache of that on this corpus is in .*--random-weights 0"):
            probe("pos", cache, layers="0", also=("random-weights",))
