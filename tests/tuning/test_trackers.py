"""Trackers are told of every step, print nothing on stdout, and cost no run when they fail."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tuned_runs import log_of, materials, plan_of

from probekit.cli.app import run as command
from probekit.errors import UsageError
from probekit.report import LayerReport
from probekit.tuning.training.run import Running, run_plan
from probekit.tuning.training.trackers import Trackers, check_trackers

# The part of trackio that accelerate speaks to.
FAKE = """
told, FAILS = [], {fails!r}

class Run:
    def log(self, values, step=None):
        print("a line for people")
        if FAILS == "log" and step == 3:
            raise ConnectionError("no answer")
        told.append((step, values))

    def finish(self):
        told.append("finished by accelerate")

def finish():
    print("* finished")
    told.append("finished")

class config:
    @staticmethod
    def update(values, allow_val_change=False):
        told.append(values)

def init(project):
    print("* begun")
    if FAILS == "init":
        raise PermissionError("log in first")
    return Run()
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Install a trackio that fails somewhere."""

    def install(fails: str = "") -> Any:
        (tmp_path / "trackio.py").write_text(FAKE.format(fails=fails))
        monkeypatch.syspath_prepend(tmp_path)
        import trackio

        return trackio

    yield install
    sys.modules.pop("trackio", None)


def trained(folder: Path, *report_to: str, told: Callable[[str], None] | None = None) -> LayerReport:
    own = materials()
    running = Running(report_to=report_to, told=told)
    return run_plan(own, plan_of(own, "head-only"), folder, save="delta", running=running).report


def test_a_tracker_is_told_of_every_step_and_epoch(
    fake: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = fake()
    trained(tmp_path / "run", "trackio")
    config, *moments, end = module.told
    assert config["rate.peak"] == 0.003
    assert end == "finished"
    rows = log_of(tmp_path / "run")
    assert len(moments) == len(rows)
    for row, (step, values) in zip(rows, moments, strict=True):
        if "dev" in row:
            assert (step, values["dev_accuracy"]) == (row["step"], row["dev"]["accuracy"])
        else:
            assert (step, values["loss"]) == (row["step"] + 1, row["loss"])
            assert values["rate/4"] == row["rates"]["4"]
    out, err = capsys.readouterr()
    assert out == ""
    assert "a line for people" in err


def test_a_tracker_that_fails_in_the_middle_costs_no_run(fake: Callable[..., Any], tmp_path: Path) -> None:
    module, told = fake("log"), []
    report = trained(tmp_path / "told", "trackio", told=told.append)
    assert told[-1] == "The tracker trackio failed and is told nothing more: ConnectionError: no answer."
    assert [step for step, _ in module.told[1:]] == [1, 2]
    assert told[-1] in report.provenance["notes"]
    trained(tmp_path / "untold")
    assert log_of(tmp_path / "told") == log_of(tmp_path / "untold")


def test_a_tracker_that_cannot_be_begun_is_an_error(fake: Callable[..., Any], tmp_path: Path) -> None:
    fake("init")
    with pytest.raises(UsageError, match="trackio cannot be begun: PermissionError: log in first"):
        trained(tmp_path / "run", "trackio")


def test_one_that_is_unknown_or_not_installed_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="Did you mean 'wandb'"):
        check_trackers(["wand"])
    words = ["tune", "--task", "pos", "--model", "none/such", "--corpus", "none", "--report-to", "wandb"]
    assert command(words) == 2
    assert "names wandb, which is not installed: pip install wandb" in capsys.readouterr().err
    with pytest.raises(UsageError, match="pip install tensorboard"):
        Trackers(["tensorboard"], folder=tmp_path, config={})
