"""A run while it trains: a table where a person watches, a line an epoch elsewhere, nothing on stdout."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from probekit.cli.training import SHOWN, TrainingView, training_shown
from probekit.tuning.training.state import At
from probekit.tuning.training.watching import Moment, rates_in_words

RATES = {"2": 2e-5, "3": 2e-5, "4": 1e-3}


def step(number: int, loss: float) -> Moment:
    row = {
        "step": number,
        "epoch": number // 2,
        "loss": loss,
        "rates": RATES,
        "norm": 1.0,
        "tokens": 500,
        "seconds": 0.5,
    }
    return Moment(row, At(epoch=number // 2, place=number % 2 + 1, step=number + 1), 40, 20)


def epoch(done: int, value: float) -> Moment:
    at = At(epoch=done, step=2 * done, best=0.75, best_epoch=1, tokens=1000 * done, seconds=2.0 * done)
    return Moment({"step": at.step, "epoch": done, "dev": {"accuracy": value}}, at, 40, 20)


def moments(epochs: int) -> list[Moment]:
    return [one for e in range(epochs) for one in (step(2 * e, 1.5), step(2 * e + 1, 0.5), epoch(e + 1, 0.75))]


def test_rates_of_neighbours_stand_together() -> None:
    assert rates_in_words(RATES) == "2-3: 2e-05, 4: 0.001"
    assert rates_in_words({"10": 0.1, "9": 0.2, "2": 0.1}) == "2: 0.1, 9: 0.2, 10: 0.1"


def test_a_line_an_epoch_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with training_shown("full, seed 0") as watch:
        assert watch is not None
        for moment in moments(2):
            watch(moment)
    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.splitlines()
    assert first == (
        "full, seed 0  epoch 1/20  step 2/40  loss 1.0000  dev accuracy 0.7500  best 0.7500 (epoch 1)  500 tokens/s  "
        "rates 2-3: 2e-05, 4: 0.001"
    )
    assert "epoch 2/20  step 4/40" in second


def test_quiet_is_silent() -> None:
    with training_shown("full", quiet=True) as watch:
        assert watch is None


def test_a_table_where_a_person_watches(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    with training_shown("full, seed 0") as watch:
        assert watch is not None
        for moment in moments(1):
            watch(moment)
        watch(step(2, 0.25))
        print("a note", file=sys.stderr)
    shown = terminal.getvalue()
    for text in ("full, seed 0  8%", "dev accuracy", "1/20", "2/20", "0.2500", "0.7500 (epoch 1)", "1,000", "a note"):
        assert text in shown
    assert "rate by depth: 2-3: 2e-05, 4: 0.001" in shown
    assert capsys.readouterr().out == ""


def test_the_table_keeps_to_the_last_epochs() -> None:
    view, console = TrainingView("full"), Console(file=io.StringIO(), width=100)
    for moment in moments(20):
        view.see(moment)
    with console.capture() as shown:
        console.print(view)
    first = [line.split()[0] for line in shown.get().splitlines()]
    assert [f"{epoch}/20" in first for epoch in (20 - SHOWN, 21 - SHOWN, 20)] == [False, True, True]
