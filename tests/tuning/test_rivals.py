"""Plans on one bill: none is lost under another's name, and runs of one seed stand beside each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import tiny_model
from tuned_runs import examples, materials, plan_of

from probekit.cli.app import run
from probekit.cli.tune_beside import beside_notes, strategies_of
from probekit.errors import UsageError


def test_a_rival_of_the_same_name_is_no_less_a_rival() -> None:
    own = materials()
    full, head = plan_of(own, "full"), plan_of(own, "head-only")
    mine = full.with_set(
        "close=l2-sp:0.1", "loop.seed=5", "loop.epochs=1", "loop.precision=bfloat16", "slices=length:min=3"
    )
    found = strategies_of("full", mine, {"full": full, "head-only": head})
    assert list(found) == ["plan", "full", "head-only"]
    assert [plan.loop.seed for plan in found.values()] == [5, 5, 5]
    assert [len(plan.close) for plan in found.values()] == [1, 0, 0]
    assert {plan.loop.precision for plan in found.values()} == {"bfloat16"}
    assert [plan.slices for plan in found.values()] == [mine.slices] * 3
    assert list(strategies_of("full", mine, {"head-only": head})) == ["full", "head-only"]
    with pytest.raises(UsageError, match="Leave out --beside full"):
        strategies_of("full", full, {"full": full})


def test_what_was_set_of_the_plan_alone_is_said() -> None:
    assert beside_notes(["full"], ["loop.seed=5", "loop.epochs=1"]) == [
        "full: as in the catalogue, with the plan's seeds; --set loop.epochs=1 is the plan's alone."
    ]
    assert beside_notes([], ["loop.epochs=1"]) == beside_notes(["full"], ["loop.seed=5"]) == []


@pytest.mark.parametrize("asked", [["--folds", "4"], ["--plan-only"], ["--verify", "cells.jsonl"]])
def test_what_the_data_lack_is_said_of_the_parts_that_are_run(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A label that dev alone has is unknown to a run on the corpus as it is, and known to its folds."""

    def stopped(*_: object, **__: object) -> None:
        raise UsageError("here the runs would begin")

    monkeypatch.chdir(tmp_path)
    for place in ("tune_run.run_shown", "tune_verify.verify_plan"):
        monkeypatch.setattr(f"probekit.cli.{place}", stopped)
    rows = [
        {"id": own.id, "words": own.words, "split": own.split, "label": own.annotations["label"]} for own in examples()
    ]
    next(row for row in rows if row["id"] == "dev-0")["label"] = "odd"
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["tune", "--model", str(tiny_model("bert")), "--task", "label", "--corpus", "rows.jsonl"]
    assert run([*command, "--plan", "full", "--device", "cpu", *asked]) == (0 if asked == ["--plan-only"] else 2)
    said = capsys.readouterr().err.splitlines()
    unknown = [line for line in said if "never occur in training" in line]
    if asked[0] == "--folds":
        assert unknown == []
        assert sum("are held out as dev" in line for line in said) == 4
    else:
        assert len(unknown) == 1
        assert "'odd' (1)" in unknown[0]


@pytest.mark.parametrize(
    "option", ["--folds 3", "--beside full", "--bill b.png", "--save delta", "--out there", "--report-to csv"]
)
def test_a_verdict_refuses_what_it_would_leave_undone(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["tune", "--model", str(tiny_model("bert")), "--task", "pos", "--corpus", "grammar:n=20"]
    assert run([*asked, "--verify", "cells.jsonl", *option.split()]) == 2
    assert f"so {option.split()[0]} has no use with it" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
