"""Advise, tune and bill as Python calls them: one report says all, and what a run cost comes with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import tiny_model
from tuned_runs import cached, rewritten

from probekit import Corpus, LayerReport, TunePlan, advise, probe, tune
from probekit.tuning.data.materials import gather
from probekit.tuning.verdict.bill import Bill

MODEL = str(tiny_model("bert"))


def told() -> Corpus:
    """The corpus with labels that the form of a word tells, so that a probe of any weights is above its floor."""
    return rewritten(upos=lambda example: tuple("NV"[sum(map(ord, word)) % 2] for word in example.words))


@pytest.fixture(scope="module")
def report() -> LayerReport:
    return probe("pos", cached("bert"), corpus=told(), fast=True)


def n_train(plan: TunePlan) -> float:
    return next(reason.evidence["n_train"] for reason in plan.why if "n_train" in reason.evidence)  # type: ignore[return-value]


def test_advice_counts_the_examples_that_are_to_be_drawn(report: LayerReport, tmp_path: Path) -> None:
    read = {"on": cached("bert"), "model": MODEL, "corpus": told(), "examples": 5}
    plan = advise(report, **read)
    assert n_train(plan) == 5
    tuned = tune(report=report, changes=["loop.epochs=1"], out=tmp_path, **read)
    assert n_train(tuned.plan) == 5
    assert tuned.plan.keep == plan.keep


def test_a_bill_of_runs_has_what_they_read_and_what_the_report_took(report: LayerReport, tmp_path: Path) -> None:
    read = {"on": cached("bert"), "model": MODEL, "corpus": told(), "report": report, "examples": 5}
    heads = [
        tune(plan="head-only", changes=f"loop.epochs=1 loop.seed={seed}".split(), out=tmp_path / str(seed), **read)
        for seed in (0, 1)
    ]
    whole = tune(plan="full", changes="loop.epochs=1", out=tmp_path / "full", **read)
    bill = Bill.of({"head-only": heads, "full": whole}, report=report)
    spent = gather(report=report, on=cached("bert"), model=MODEL, corpus=told()).extraction_seconds
    assert [(total.strategy, total.seeds) for total in bill.totals] == [("head-only", 2), ("full", 1)]
    assert [total.extraction_seconds for total in bill.totals] == [pytest.approx(spent), 0.0]
    assert spent > 0
    assert bill.probing_seconds == pytest.approx(report.seconds["study"])
    again = tune(plan="full", changes="loop.epochs=1", out=tmp_path / "full", **read)
    assert Bill.of({"full": again}).probing_seconds is None
