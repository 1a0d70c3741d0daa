"""``probekit tune --slices``: given, found, refused before anything trains, and on one bill with a rival."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sliced_runs import examples
from tiny_models import tiny_model

from probekit import LayerReport
from probekit.cli.app import run
from probekit.tuning.plan import TunePlan


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The command, without slices."""
    lines = [{"id": one.id, "words": one.words, "split": one.split, **one.annotations} for one in examples()]
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return [
        "tune", "--task", "label", "--model", str(tiny_model("bert")), "--corpus", str(rows), "--plan", "head-only",
        "--set", "loop.epochs=1", "--device", "cpu", "--out", str(tmp_path / "run"), "-q",
    ]  # fmt: skip


def test_given_slices_are_scored_and_stand_on_the_bill_beside_a_rival(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [*words, "--slices", "column:source=B", "--slices", "contains:pattern=^[a-m]+length:max=6"]
    assert run([*asked, "--beside", "top:1"]) == 0
    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if line.startswith("slice column:source=B: ")]
    assert len(lines) == 1
    assert "head-only" in lines[0]
    assert "top:1" in lines[0]
    for strategy in ("head-only", "top-1"):
        folder = tmp_path / "run" / strategy / "seed-0"
        plan = TunePlan.read_file(folder / "plan.json")
        names = ["column:source=B", "contains:pattern=^[a-m]+length:max=6"]
        assert [choice.spelled for choice in plan.slices] == names
        rows = [row for row in LayerReport.read(folder / "report.jsonl").rows if row.split == "test"]
        found = {row.method: row.n for row in rows if row.metric == "accuracy"}
        assert found["slice:column:source=B"] == 20  # a third of 60


def test_slices_are_found_told_and_written_into_the_plan(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loud = [word for word in words if word != "-q"]
    assert run([*loud, "--slices", "negation,errors:least=2"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "targets are wrong" in said
    plan = TunePlan.read_file(tmp_path / "run" / "plan.json")
    assert plan.slices[0].spelled == "negation"
    (reason,) = [reason.text for reason in plan.why if reason.field == "slices"]
    assert "found from errors on dev" in reason


@pytest.mark.parametrize(
    ("slices", "code", "message"),
    [
        (["column:label=red"], 2, "reads 'label', which the task 'label' predicts"),
        (["column:genre=news"], 3, "it has source, twin"),
        (["lenght:min=3"], 2, "Did you mean 'length'"),
        (["negation", "negation"], 2, "names the slice 'negation' twice"),
        (["errors", "errors:of=train"], 2, "one time"),
        (["errors", "--plan-only"], 2, "errors:run=FOLDER"),
        (["errors:run=nowhere"], 2, "nowhere"),
    ],
)
def test_what_is_no_slice_is_refused_before_anything_trains(
    slices: list[str], code: int, message: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [part for one in slices for part in (["--slices", one] if not one.startswith("--") else [one])]
    assert run([*words, *asked]) == code
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run" / "log.jsonl").exists()
