"""A model that a cache or a plan was made from is found in its folder; where that is gone, it is said."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from tiny_models import tiny_model
from tuned_runs import corpus, plan_of

from probekit import ActivationCache, extract
from probekit.errors import CacheError, NetworkError, UsageError
from probekit.tuning import tune as tuning
from probekit.tuning.data.data import TuningData
from probekit.tuning.data.materials import Materials, gather
from probekit.tuning.predict import TunedModel
from probekit.tuning.training.run import run_plan

Made = tuple[Path, ActivationCache]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """A model in a folder that is not the working one, and a cache of it."""
    folder = shutil.copytree(tiny_model("bert"), tmp_path / "models" / "own-model")
    done = extract(str(folder), corpus(), cache=tmp_path / "caches", device="cpu")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return folder, ActivationCache.open(done.cache)


def of_cache(made: Made) -> Materials:
    return gather("pos", corpus=corpus(), on=made[1], device="cpu")


def of_plan(made: Made) -> Materials:
    plan = tuning.plan_for(gather("pos", model=made[0], corpus=corpus(), device="cpu"), "head-only")
    assert plan.model.folder == str(made[0])
    return gather(plan=plan, corpus=corpus(), device="cpu")


@pytest.mark.parametrize("again", [of_cache, of_plan])
def test_the_folder_is_found_and_said(again: Callable[[Made], Materials], made: Made) -> None:
    found = again(made)
    assert found.facts.name == "own-model"
    assert found.data.task.name == "pos"
    assert found.model_folder == str(made[0])
    assert f"The model 'own-model' is read from {made[0]}, from where" in found.data.notes[0]


def test_a_folder_that_is_gone_or_changed_is_named(made: Made) -> None:
    folder, cache = made
    plan = tuning.plan_for(of_cache(made), "head-only")
    moved = folder.rename(folder.parent / "elsewhere")
    gone = f"was made from, is no more in {folder}, .*--model"
    with pytest.raises((UsageError, NetworkError), match=f"(?s)'own-model', which {cache.path.name} {gone}"):
        of_cache(made)
    with pytest.raises((UsageError, NetworkError), match=f"(?s)'own-model', which the plan {gone}"):
        gather(plan=plan, corpus=corpus(), device="cpu")
    assert gather("pos", model=moved, on=cache, corpus=corpus(), device="cpu").data.notes == []
    other = shutil.copytree(tiny_model("roberta"), folder)
    with pytest.raises(CacheError, match=f"whose .*weights.* are not those of 'own-model' as it is now in {other}"):
        of_cache(made)
    now = gather(plan=plan, corpus=corpus(), device="cpu")
    with pytest.raises(UsageError, match=rf"for the model 'own-model' \(.*\), which was in {folder}, not for"):
        plan.check(now.facts, "pos")


def test_where_a_model_is_makes_no_other_run(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = of_cache(made)
    changes = ("keep=1", "read=1", "loop.epochs=1")
    first = run_plan(own, tuning.plan_for(own, "head-only", changes=changes), save="delta")
    moved = made[0].parent.rename(tmp_path / "elsewhere") / "own-model"
    again = gather("pos", model=moved, on=made[1], corpus=corpus(), device="cpu")
    second = run_plan(again, tuning.plan_for(again, "head-only", changes=changes), save="delta")
    assert second.folder == first.folder
    with pytest.raises(CacheError, match="has other weights"):
        TunedModel.open(first.folder, model=str(tiny_model("roberta")), device="cpu")
    with pytest.raises((UsageError, NetworkError), match=r"'own-model', which the run in .* was made from"):
        TunedModel.open(first.folder, device="cpu")


def test_advice_is_for_as_many_examples_as_are_trained_on(
    make_report: Callable[..., Any], made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Advised(Exception):
        pass

    def advise(report: Any, facts: Any, *, n_train: int, **rest: Any) -> None:
        raise Advised(n_train)

    monkeypatch.setattr(tuning.advising, "advise", advise)
    report = make_report([0.1, 0.2, 0.3])
    report.provenance["task"] = "pos"
    with pytest.raises(Advised, match=r"^7$"):
        tuning.tune("pos", report=report, model=made[0], corpus=corpus(), examples=7, device="cpu")


def test_the_targets_are_hashed_once(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own, taken, digest = of_cache(made), [], TuningData.digest.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(TuningData, "digest", property(lambda self: taken.append(1) or digest(self)))
    run_plan(own, plan_of(own, "head-only", "loop.epochs=1"), save="delta")
    assert len(taken) == 1
