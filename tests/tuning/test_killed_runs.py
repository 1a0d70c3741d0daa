"""A run that is killed anywhere goes on as if nothing had happened; a damaged checkpoint is named."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from children import SURVIVED, in_child, start_child
from tuned_runs import assert_same, log_of, materials, plan_of, tensors_of, trainer_of

from probekit.errors import CacheError, ResourceError
from probekit.report import LayerReport
from probekit.tuning.runs.folder import RunFolder, read_tensors
from probekit.tuning.training.run import Running, Tuned, run_plan

ALWAYS = Running(minutes=0)
CHANGES = (
    "loop.epochs=3",
    "loop.batch_tokens=64",
    "schedule=chain-thaw",
    "head=linear:dropout=0.1",
    "loop.patience=3",
    "rate=warmup-linear",
)


def run(folder: Path, **options: Any) -> Tuned:
    own = materials()
    return run_plan(own, plan_of(own, "full", *CHANGES), folder, running=ALWAYS, **options)


def came_of(folder: Path) -> dict[str, Any]:
    """All that a run leaves, without what a clock or a meter says."""
    certificate = json.loads((folder / "certificate.json").read_text())
    rows = [row.to_json() for row in LayerReport.read(folder / "report.jsonl").rows]
    names = sorted(place.relative_to(folder).as_posix() for place in folder.rglob("*"))
    return {"log": log_of(folder), "certificate": certificate, "rows": rows, "names": names}


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return {**read_tensors(folder / "model.safetensors"), **read_tensors(folder / "head.safetensors")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    folder = tmp_path_factory.mktemp("runs") / "undisturbed"
    run(folder.with_name("first"))  # by the parent: what a run imports at its first step, no child imports again
    assert in_child(lambda: run(folder)) == SURVIVED
    return came_of(folder), weights_of(folder)


def lines_in(folder: Path) -> int:
    """How far the log of a run is."""
    log = folder / "log.jsonl"
    return len(log.read_bytes().splitlines()) if log.exists() else 0


def killed(folder: Path, draw: np.random.Generator) -> bool:
    """Run, and kill the run when its log is some lines longer and a part of a line's time is over; False if it ended.

    By lines, not by a clock alone: a busy machine may be tens of times slower than it was a moment ago.
    """
    more, part = int(draw.integers(0, 5)), float(draw.uniform())
    until = lines_in(folder) + more
    child, began, found = start_child(lambda: run(folder)), time.monotonic(), (0, 0)
    while lines_in(folder) < until and not found[0]:
        time.sleep(0.001)
        found = os.waitpid(child, os.WNOHANG)
    if not found[0]:
        time.sleep(part * (time.monotonic() - began) / (more + 1))
        os.kill(child, signal.SIGKILL)
        found = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(found[1]) == -signal.SIGKILL


@pytest.mark.slow
def test_killed_twenty_times_it_ends_the_same(
    undisturbed: tuple[dict[str, Any], dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    expected, weights = undisturbed
    draw = np.random.default_rng(0)
    kills, stages, number = 0, set(), 0
    folder = tmp_path / "0"
    while kills < 20:
        if killed(folder, draw):
            kills += 1
            stages.add(lines_in(folder))
            continue
        assert came_of(folder) == expected
        number += 1
        folder = tmp_path / str(number)
    assert in_child(lambda: run(folder)) == SURVIVED
    assert came_of(folder) == expected
    assert_same(weights_of(folder), weights)
    assert len(stages) > 1


def test_what_was_killed_behind_its_last_word_leaves_no_checkpoint(tmp_path: Path) -> None:
    run(tmp_path / "run")
    expected = came_of(tmp_path / "run")
    RunFolder(tmp_path / "run").save_checkpoint(3, {}, {})
    assert came_of(tmp_path / "run") != expected
    run(tmp_path / "run")
    assert came_of(tmp_path / "run") == expected


def test_it_goes_on_from_every_step(
    undisturbed: tuple[dict[str, Any], dict[str, torch.Tensor]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped behind each checkpoint in turn, at stage and epoch boundaries among them."""

    class Stop(Exception):
        pass

    own = materials()
    plan = plan_of(own, "full", *CHANGES)
    save = RunFolder.save_checkpoint

    def stopping(self: RunFolder, *args: Any) -> Path:
        save(self, *args)
        raise Stop

    monkeypatch.setattr(RunFolder, "save_checkpoint", stopping)
    steps = 0
    while True:
        trainer = trainer_of(own, plan, tmp_path, minutes=0)
        try:
            trainer.fit()
            break
        except Stop:
            steps += 1
    assert steps == trainer.total
    assert log_of(tmp_path) == undisturbed[0]["log"]
    weights = tensors_of(trainer.network)
    for name, value in undisturbed[1].items():
        assert torch.equal(weights.get(f"body.{name}", weights.get(name)), value), name


@pytest.fixture
def interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose run ended behind its fifth step."""
    own = materials()
    trainer = trainer_of(own, plan_of(own), tmp_path / "run", minutes=0)
    add = trainer.state.save

    def save(*args: Any) -> None:
        add(*args)
        if trainer.state.at.step == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(type(trainer.state), "save", lambda self, *args: save(*args))
    with pytest.raises(KeyboardInterrupt):
        trainer.fit()
    monkeypatch.undo()
    return tmp_path / "run"


def goes_on(folder: Path) -> list[dict[str, Any]]:
    own = materials()
    trainer_of(own, plan_of(own), folder).fit()
    return log_of(folder)


def whole(folder: Path) -> list[dict[str, Any]]:
    own = materials()
    trainer_of(own, plan_of(own), folder).fit()
    return log_of(folder)


def test_what_stands_behind_the_checkpoint_is_cut_off_the_log(interrupted: Path, tmp_path: Path) -> None:
    with open(interrupted / "log.jsonl", "a") as file:
        file.write('{"step": 5, "loss": 99}\n{"step": 6, "lo')
    assert goes_on(interrupted) == whole(tmp_path / "whole")


def test_a_checkpoint_half_written_is_ignored_and_removed(interrupted: Path, tmp_path: Path) -> None:
    good = interrupted / "checkpoint-00000005"
    half = shutil.copytree(good, interrupted / "checkpoint-00000009")
    (half / "manifest.json").unlink()
    shutil.copytree(half, interrupted / ".checkpoint-00000007.123")
    (interrupted / ".model-abc").mkdir()
    (interrupted / ".run.json.abc.tmp").write_text("{")
    assert goes_on(interrupted) == whole(tmp_path / "whole")
    assert [place.name for place in interrupted.iterdir() if place.name.startswith((".", "checkpoint"))] == [good.name]


PARTS = ["delta.safetensors", "optimizer.safetensors", "best.safetensors", "state.json", "manifest.json"]


@pytest.mark.parametrize("name", PARTS)
def test_a_damaged_checkpoint_is_named(interrupted: Path, name: str) -> None:
    file = interrupted / "checkpoint-00000005" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(bytes(content))
    with pytest.raises(CacheError, match=name):
        goes_on(interrupted)


def test_a_log_that_is_too_short_is_named(interrupted: Path) -> None:
    (interrupted / "log.jsonl").write_text("")
    with pytest.raises(CacheError, match=r"log\.jsonl is shorter"):
        goes_on(interrupted)


def test_two_processes_do_not_train_in_one_folder(tmp_path: Path) -> None:
    with RunFolder(tmp_path).held(), pytest.raises(CacheError, match="Another process trains in"):
        run(tmp_path)
    assert not (tmp_path / "run.json").exists()


def test_a_full_disk_is_said_and_the_run_goes_on_later(
    undisturbed: tuple[dict[str, Any], dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    def short(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        run(tmp_path)

    for size in (1500, 4000, 100_000):  # in the log, in the plan or a checkpoint
        assert in_child(lambda size=size: short(size)) == ResourceError.exit_code
    assert in_child(lambda: run(tmp_path)) == SURVIVED
    assert came_of(tmp_path) == undisturbed[0]


def test_a_disk_that_fills_up_during_a_checkpoint_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = materials()
    trainer = trainer_of(own, plan_of(own), tmp_path, minutes=0)
    from probekit.tuning.runs import folder

    replace, count = folder.replace_bytes, 0

    def full(path: Path, data: bytes) -> None:
        nonlocal count
        count += 1
        if count == 13:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(path, data)

    monkeypatch.setattr(folder, "replace_bytes", full)
    with pytest.raises(ResourceError, match="disk says it is full") as raised:
        trainer.fit()
    assert raised.value.exit_code == 6
    left = [place.name for place in tmp_path.iterdir() if "checkpoint" in place.name]
    assert left == ["checkpoint-00000002"]
