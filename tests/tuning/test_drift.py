"""Drift: layers that did not train are what they were, those that did have moved, and other tokens are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import LAYERS
from tuned_runs import cached, corpus, materials, plan_of

from probekit import ActivationCache, extract
from probekit.cli import main
from probekit.errors import CacheError, UsageError
from probekit.tuning.drift import Drift, drift, source_before
from probekit.tuning.training.run import run_plan


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that keeps one block less, trains its highest, at rates that move it."""
    own = materials("bert", "pos")
    shape = (f"keep={LAYERS - 1}", f"read.layers={LAYERS - 1}", f"train={LAYERS - 1}", "rate.peak=0.05")
    return run_plan(own, plan_of(own, "full", *shape), tmp_path_factory.mktemp("drift") / "run").folder


@pytest.fixture(scope="module")
def moved(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Drift:
    made = extract(str(run), corpus(), cache=tmp_path_factory.mktemp("after"), device="cpu")
    return drift(cached("bert"), ActivationCache.open(made.cache))


def test_frozen_layers_are_what_they_were_and_trained_ones_have_moved(moved: Drift) -> None:
    *frozen, trained = moved.layers
    assert [row.value for row in frozen] == pytest.approx([1.0] * len(frozen), abs=1e-12)
    assert trained.value is not None
    assert trained.value < 0.999
    assert trained.high is not None
    assert trained.low is not None
    assert trained.low < trained.value < trained.high <= 1
    assert all(abs(row.floor or 0) < 0.1 for row in moved.layers)
    assert moved.removed == (LAYERS,)
    assert moved.examples == 40
    assert f"layers that are no more: {LAYERS}" in str(moved)


@pytest.mark.parametrize("measure", ["rsa", "procrustes", "svcca"])
def test_other_measures_see_the_same(run: Path, moved: Drift, tmp_path: Path, measure: str) -> None:
    made = extract(str(run), corpus(), cache=tmp_path, device="cpu")
    other = drift(cached("bert"), ActivationCache.open(made.cache), measure=measure)
    *frozen, trained = other.layers
    assert [row.value for row in frozen] == pytest.approx([1.0] * len(frozen), abs=1e-6)
    assert trained.value is not None
    assert trained.high is not None
    assert trained.value < trained.high < 0.9999
    assert [row[measure] for row in other.to_json()["layers"]] == [row.value for row in other.layers]
    assert [row["cka"] for row in moved.to_json()["layers"]] == [row.value for row in moved.layers]


def test_it_is_drawn(moved: Drift, tmp_path: Path) -> None:
    assert len(moved.plot().lines[0].get_xdata()) == len(moved.layers)
    assert moved.save_plot(tmp_path / "drift.svg").stat().st_size > 1000


def test_other_tokens_are_refused(tmp_path: Path) -> None:
    other = extract(materials("bert", "pos").model_folder, corpus(seed=1), cache=tmp_path, device="cpu").cache
    with pytest.raises(CacheError, match="other tokens"):
        drift(cached("bert"), ActivationCache.open(other))


def test_the_command_compares_layers_and_curves(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = tmp_path / "words.jsonl"
    words.write_text(
        "".join(
            json.dumps({"words": list(own.words), "upos": list(own.annotations["upos"]), "split": own.split}) + "\n"
            for own in corpus()
        )
    )
    asked = ["drift", str(run), str(words), "--task", "pos", "--cache", str(tmp_path / "c"), "--json", "-q"]
    with pytest.raises(SystemExit) as end:
        main(asked)
    assert end.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "probekit.drift/1"
    assert len(found["layers"]) == LAYERS
    ((before, after),) = found["reports"]
    assert [before["task"], after["task"]] == ["pos", "pos"]
    assert before["model"]["weights"] != after["model"]["weights"]


def test_what_is_no_whole_run_is_refused(tmp_path: Path) -> None:
    own = materials("bert", "pos")
    delta = run_plan(own, plan_of(own, "full", "loop.epochs=1"), tmp_path / "delta", save="delta").folder
    with pytest.raises(UsageError, match=r"saved as differences.*--save whole"):
        source_before(delta)
    with pytest.raises(UsageError, match=r"is no run|no folder"):
        source_before(tmp_path)
