"""The bill: means over seeds with their interval, and an advice that looks at dev alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from probekit.errors import UsageError
from probekit.tuning.verdict.bill import Bill
from probekit.tuning.verdict.entry import Entry, reach_of_runs

HEAD = Entry(
    "head-only",
    0,
    metric="accuracy",
    dev=0.8,
    test=0.78,
    trained=770,
    run=22_000_000,
    stored=3_000,
    peak_memory=10**9,
    seconds=2.0,
    extraction_seconds=20.0,
    tokens_per_second=1000.0,
)


def runs(strategy: str, dev: list[float], **changes: float) -> list[Entry]:
    whole = replace(HEAD, strategy=strategy, **changes)
    return [replace(whole, seed=seed, dev=value, test=value - 0.02) for seed, value in enumerate(dev)]


def test_a_strategy_is_the_mean_of_its_seeds_with_the_interval_of_student() -> None:
    total = Bill(runs("full", [0.8, 0.9, 1.0])).totals[0]
    assert (total.seeds, total.dev, total.test) == (3, pytest.approx(0.9), pytest.approx(0.88))
    # 4.3027 is the 97.5 % quantile at 2 degrees of freedom; the spread is 0.1
    assert total.low == pytest.approx(0.88 - 4.302653 * 0.1 / 3**0.5)
    assert total.high == 1.0  # an accuracy ends there


def test_one_seed_has_no_interval_and_says_so() -> None:
    bill = Bill([*runs("full", [0.9], trained=100_000), HEAD])
    assert bill.totals[0].low is None
    assert "; of one run that both have it cannot be said" in bill.advice()
    apart = [replace(one, seed=one.seed + 3) for one in runs("head-only", [0.8, 0.81, 0.8])]
    assert "; of no run that both have" in Bill([*runs("full", [0.9, 0.91, 0.9], trained=100_000), *apart]).advice()


def test_the_advice_is_to_fine_tune_where_the_gain_is_more_than_chance() -> None:
    heads = runs("head-only", [0.80, 0.81, 0.80])
    better = runs("full", [0.90, 0.91, 0.91], trained=100_000, seconds=200.0)
    alike = runs("full", [0.80, 0.81, 0.80], trained=100_000, seconds=200.0)
    loose = runs("full", [0.90, 0.71, 0.82], trained=100_000, seconds=200.0)
    assert Bill([*heads, *better]).advice().startswith("Fine-tune: full has 0.907 accuracy on dev, head-only 0.803")
    assert Bill([*heads, *alike]).advice().startswith("Extract features")
    assert Bill([*heads, *loose]).advice().startswith("Not decided: full has 0.810 accuracy on dev")


def test_folds_of_one_seed_are_runs_of_their_own_and_the_bill_says_so() -> None:
    heads = [replace(one, seed=0, fold=(fold, 3)) for fold, one in enumerate(runs("head-only", [0.80, 0.81, 0.80]), 1)]
    better = runs("full", [0.90, 0.70, 0.91], trained=100_000, seconds=200.0)
    folds = [replace(one, seed=0, fold=(fold, 3)) for fold, one in enumerate(better, 1)]
    bill = Bill([*heads, *folds])
    assert [(total.seeds, total.folds, total.repeats) for total in bill.totals] == [(1, 3, "3")] * 2
    assert str(bill).splitlines()[0].split()[:2] == ["strategy", "folds"]
    # the gaps are .10, -.11, .11: their mean is .0333, their spread .12423
    assert f"+0.033 (+- {4.302653 * 0.124231 / 3**0.5:.3f} over folds)" in bill.advice()
    assert "95 % intervals over 3 folds" in [text.get_text() for text in bill.plot().texts]
    again = [replace(one, seed=1) for one in bill.entries]
    both = Bill([*bill.entries, *again])
    assert [total.repeats for total in both.totals] == ["2 x 3"] * 2
    assert "over seeds x folds" in both.advice()


def test_seeds_on_the_same_folds_are_no_further_folds() -> None:
    """Crossed runs: what a fold does is in all of its seeds, so that the interval is that over folds."""
    drawn = np.random.default_rng(0)
    held, told = 0, []
    for _ in range(200):
        fold_gain = drawn.normal(0, 0.02, 3)
        entries = [
            replace(HEAD, strategy=name, seed=seed, fold=(fold + 1, 3), dev=0.5 + gain, test=0.5, trained=trained)
            for name, trained in (("full", 100_000), ("head-only", 770))
            for seed in range(5)
            for fold in range(3)
            for gain in [(fold_gain[fold] + drawn.normal(0, 0.002)) * (name == "full")]
        ]
        bill = Bill(entries)
        gaps = bill._gaps("full", "head-only")
        held += abs(np.mean([*gaps.values()])) <= (reach_of_runs(gaps) or 0)
        told.append(bill.advice().startswith("Fine-tune"))
    assert held / 200 >= 0.9
    assert np.mean(told) < 0.05
    # the opposite: one fold, five seeds are five runs
    seeds = {(seed, 0, 0): value for seed, value in enumerate((0.1, 0.2, 0.3))}
    assert reach_of_runs(seeds) == pytest.approx(4.302653 * 0.1 / 3**0.5)


def test_where_folds_are_alike_the_interval_is_that_over_seeds_in_advice_table_and_slices() -> None:
    """Three seeds on two folds that show the same: as six runs the interval would be narrower, over folds none."""
    entries = [
        replace(
            HEAD, strategy=name, seed=seed, fold=(fold, 2), trained=trained,
            dev=0.4 + gain, test=0.5 + gain, slices={"long": 0.3 + gain},
        )
        for name, trained, gains in (("head-only", 770, (0, 0, 0)), ("full", 100_000, (0.1, 0.2, 0.3)))
        for seed, gain in enumerate(gains)
        for fold in (1, 2)
    ]  # fmt: skip
    bill, reach = Bill(entries), 4.302653 * 0.1 / 3**0.5
    assert f"a difference of +0.200 (+- {reach:.3f} over seeds x folds)" in bill.advice()
    total = bill.totals[1]
    assert (total.low, total.high) == (pytest.approx(0.7 - reach), pytest.approx(0.7 + reach))
    assert f"full 0.500 (+0.200 +- {reach:.3f})" in str(bill)


def test_gain_and_interval_are_of_the_runs_that_both_have() -> None:
    mine = runs("full", [0.9, 0.81, 0.81], trained=100_000)
    heads = [replace(one, seed=one.seed + 1) for one in runs("head-only", [0.80, 0.81, 0.3])]
    assert "a difference of +0.005" in Bill([*mine, *heads]).advice()


def test_two_runs_of_one_seed_are_refused() -> None:
    with pytest.raises(UsageError, match=r"2 runs of 'head-only' with seed 0\. Give each a seed"):
        Bill([HEAD, HEAD])
    with pytest.raises(UsageError, match="seed 0 on fold 2 of 3"):
        Bill([replace(HEAD, fold=(2, 3)), replace(HEAD, fold=(2, 3)), replace(HEAD, fold=(2, 4))])


def test_the_advice_does_not_look_at_test() -> None:
    entries = [*runs("head-only", [0.8, 0.81]), *runs("full", [0.9, 0.92], trained=100_000)]
    turned = [replace(entry, test=1 - entry.test) for entry in entries]
    assert Bill(entries).advice() == Bill(turned).advice()


def test_the_table_names_every_cost_and_the_figure_is_written(tmp_path: Path) -> None:
    bill = Bill([*runs("full", [0.9, 0.92], trained=100_000), *runs("head-only", [0.8, 0.81])], probing_seconds=12)
    table = str(bill)
    assert "100,000" in table
    assert "2.0 + 20.0" in table
    assert "12 s of probing" in table
    assert list(bill.frame["strategy"]) == ["full", "head-only"]
    assert bill.save_plot(tmp_path / "bill.png", by="seconds").stat().st_size > 1000
    with pytest.raises(UsageError, match="trained"):
        bill.plot(by="cost")
