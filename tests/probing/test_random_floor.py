"""The floor of an untrained model: where a task has no control it stands in the report, the same as probed alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_model
from typer.testing import CliRunner

from probekit import LayerReport, extract, probe
from probekit.cache.reader import LayerView
from probekit.cli.app import app
from probekit.errors import UsageError
from probekit.features import Pooler
from probekit.probing.cache_selection import find_cache
from probekit.probing.studies.trees import fit

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
    assert "Held against: bag of words, TF-IDF, length, random weights." in notes
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


@pytest.mark.parametrize(
    ("task", "estimator", "method"), [("position", "ridge", "ridge"), ("tree-distance", None, "rank_4")]
)
def test_it_has_every_score_of_numbers_and_trees(
    trained: Path, untrained: Path, monkeypatch: pytest.MonkeyPatch, task: str, estimator: str | None, method: str
) -> None:
    monkeypatch.setattr(fit, "EPOCHS", 2)
    asked = {"layers": "1", "estimator": estimator, "ranks": (4,) if estimator is None else (), "control_seeds": 0}
    report = probe(task, trained, also=("random-weights",), **asked)  # type: ignore[arg-type]
    by_itself = probe(task, untrained, **asked)  # type: ignore[arg-type]
    found = {(row.metric, row.split, row.n): (row.value, row.low) for row in report.select("random_weights")}
    assert found == {(row.metric, row.split, row.n): (row.value, row.low) for row in by_itself.select(method)}
    assert {row.role for row in report.select("random_weights")} == {"floor"}


def test_asked_for_without_such_a_cache_it_is_refused_and_of_an_untrained_model_there_is_none(
    alone: Path, untrained: Path
) -> None:
    with pytest.raises(UsageError, match=r"no cache of that, whole.* is in .*--random-weights 0"):
        probe("pos", alone, layers="0", also=("random-weights",))
    report = probe("pos", untrained, layers="0", also=("random-weights",), fast=True)
    assert scores(report, "random_weights") == {}
    assert "no floor of random weights" in " ".join(report.provenance["notes"])


def test_one_that_is_damaged_or_lacks_layers_is_passed_over(tmp_path: Path) -> None:
    options = {"overflow": "window", "cache": tmp_path}
    trained = extract(tiny_model("bert"), CORPUS, **options).cache  # type: ignore[arg-type]
    whole = extract(tiny_model("bert"), CORPUS, random_weights=0, **options).cache  # type: ignore[arg-type]
    extract(tiny_model("bert"), CORPUS, random_weights=1, layers="1", **options)  # type: ignore[arg-type]
    broken = extract(tiny_model("bert"), CORPUS, random_weights=2, **options).cache  # type: ignore[arg-type]
    (broken / "manifest.json").write_text("{")
    halved = extract(tiny_model("bert"), CORPUS, random_weights=3, store="float16", **options).cache  # type: ignore[arg-type]

    def taken() -> str:
        return " ".join(probe("sentence-length", trained, layers="0").provenance["notes"])

    assert f"(seed 0) are of the cache {whole.name}." in taken()
    shutil.rmtree(whole)
    assert f"{halved.name}, which is of another precision (store float16)" in taken()
    shutil.rmtree(halved)
    assert "A further floor" in taken()


def test_its_matrices_lie_in_files_where_those_of_the_study_do(
    trained: Path, untrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    kinds: list[type] = []
    whole = Pooler.matrix

    def matrix(self: Pooler, view: LayerView) -> np.ndarray:
        X = whole(self, view)
        kinds.append(type(X))
        return X

    monkeypatch.setattr(Pooler, "matrix", matrix)
    held = probe("sentence-length", trained, layers="0")
    assert kinds == [np.ndarray, np.ndarray]
    mapped = probe("sentence-length", trained, layers="0", max_ram=1e-7)
    assert kinds[2:] == [np.memmap, np.memmap]
    assert mapped.rows == held.rows


def test_shuffled_models_are_floors_too(trained: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    read = {"overflow": "window", "cache": root, "layers": [1, 2]}
    mine = extract(tiny_model("bert"), CORPUS, sites="heads", **read).cache  # type: ignore[arg-type]
    layers = extract(tiny_model("bert"), CORPUS, shuffled_layers=1, sites="heads", **read).cache  # type: ignore[arg-type]
    weights = extract(tiny_model("bert"), CORPUS, shuffled_weights=1, **read).cache  # type: ignore[arg-type]
    asked = {"layers": "2.heads", "control_seeds": 0, "fast": True}
    report = probe("pos", mine, also=("shuffled-layers",), **asked)  # type: ignore[arg-type]
    by_itself = probe("pos", layers, **asked)  # type: ignore[arg-type]
    assert scores(report, "shuffled_layers") == scores(by_itself, "logistic") != {}
    assert {row.role for row in report.select("shuffled_layers")} == {"floor"}
    assert f"The scores with shuffled layers (seed 1) are of the cache {layers.name}." in report.provenance["notes"]
    assert by_itself.model == "bert shuffled-layers 1"
    assert "further floor" not in " ".join(by_itself.provenance["notes"])
    with pytest.raises(UsageError, match=r"with shuffled weights, and no cache of that, whole .*--shuffled-weights 0"):
        probe("pos", mine, also=("shuffled-weights",), **asked)  # its cache is without heads  # type: ignore[arg-type]
    places = {word: find_cache(word, None, None, root) for word in ("shuffled-layers", "shuffled-weights")}
    assert places == {"shuffled-layers": layers, "shuffled-weights": weights}
    with pytest.raises(UsageError, match="no complete cache with random weights"):
        find_cache("random", None, None, root)
    info = CliRunner().invoke(app, ["cache", "info", str(weights)]).stdout
    assert ", shuffled inside of every parameter from seed 1)" in info
