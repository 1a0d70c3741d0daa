"""Tasks that stand in no catalogue, given from Python, are known wherever a run of them is opened again."""

from __future__ import annotations

from pathlib import Path

from drawn_materials import OWN, corpus, materials, tuned
from tuned_runs import plan_of

from probekit.tuning.data.materials import gather
from probekit.tuning.finding.errors import asked_of, with_found
from probekit.tuning.predict import TunedModel
from probekit.tuning.training.run import run_plan


def test_slices_are_found_from_the_errors_of_a_task_of_ones_own() -> None:
    own, said = materials("bert", "spans", False), list[str]()
    found = with_found(
        own, plan_of(own, "head-only", "loop.epochs=1"), asked_of(["errors:least=2"])[1], told=said.append
    )
    assert "targets are wrong" in said[0]
    assert any(reason.field == "slices" for reason in found.why)


def test_a_teacher_answers_a_task_of_ones_own(tmp_path: Path) -> None:
    own = materials("bert", "spans", False)
    signal = f"signals=teacher:of={tuned('bert', 'spans')},start=lower"
    done = run_plan(own, plan_of(own, "top:1", "loop.epochs=1", signal), tmp_path / "run")
    assert any("teacher" in note for note in done.report.provenance["notes"])
    opened = TunedModel.open(done.folder, probes=OWN["spans"], device="cpu")
    assert opened.task is OWN["spans"]


def test_what_a_run_of_a_task_of_ones_own_predicts_is_held(tmp_path: Path) -> None:
    then = gather(OWN["numbers"], model=tuned("bert", "numbers"), corpus=corpus(), targets="numbers", device="cpu")
    done = run_plan(then, plan_of(then, "top:1", "loop.epochs=1", "close=distill:1"), tmp_path / "run")
    assert done.report.rows
