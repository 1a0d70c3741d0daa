"""A tune that is interrupted says how it goes on, and then gives the losses of one that was not."""

from __future__ import annotations

import json
import shlex
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from children import PATIENCE, Command
from tiny_models import tiny_model

from probekit import cli
from probekit.cli.app import run
from probekit.tuning.training.loop import Trainer

LAST = "checkpoint-00000003"


def stuck_behind(folder: Path) -> Callable[[], None]:
    """No step more once there is the checkpoint of the third: a signal never comes too late."""

    def begin() -> None:
        step = Trainer._step

        def later(*values: Any) -> Any:
            if (folder / LAST).exists():
                time.sleep(2 * PATIENCE)
            return step(*values)

        Trainer._step = later  # type: ignore[method-assign]
        cli.GRACE = PATIENCE

    return begin


def losses(folder: Path) -> list[Any]:
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [(row["step"], row.get("loss"), row.get("dev")) for row in rows]


def test_an_interrupted_tune_goes_on(tmp_path: Path) -> None:
    words = [
        "tune", "--task", "pos", "--plan", "top:1", "--model", str(tiny_model("bert")), "--corpus", "grammar:n=60",
        "--set", "loop.epochs=2", "--set", "loop.batch_tokens=128", "--minutes", "0", "--device", "cpu",
        "--overflow", "truncate", "-q",
    ]  # fmt: skip
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    typed = [*words, "--out", str(stopped)]
    child = Command(typed, before=stuck_behind(stopped))
    while not (stopped / LAST).exists():
        assert child.poll() is None, child.communicate()
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate()
    assert (child.returncode, out) == (130, "")
    then = "Its last checkpoint is kept (one every --minutes); go on with"
    assert err == f"probekit: Interrupted. {then}: {shlex.join(['probekit', *typed])}\n"
    before = len(losses(stopped))
    assert run(typed) == 0
    assert run([*words, "--out", str(whole)]) == 0
    assert losses(stopped) == losses(whole)
    assert 3 == before < len(losses(whole))
