"""Advise, tune and bill as Python calls them: one report says all, and what a run cost comes with it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_model
from tuned_runs import cached, corpus, materials, plan_of, rewritten

from probekit import Corpus, Example, LayerReport, TunePlan, advise, probe, tune
from probekit.tuning.data.folds import looked_at
from probekit.tuning.data.materials import Materials, gather
from probekit.tuning.reasons import Reason
from probekit.tuning.training.run import run_plan
from probekit.tuning.tune import plan_for
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


def test_a_fold_is_run_by_the_plan_of_the_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = corpus(0, {"train": 200, "dev": 50, "test": 10})
    seen: list[tuple[Materials, TunePlan]] = []
    monkeypatch.setattr(
        sys.modules["probekit.tuning.tune"], "run_plan", lambda parts, plan, *_, **__: seen.append((parts, plan))
    )
    for fold in (None, (1, 2)):
        tune("pos", model=MODEL, corpus=whole, plan="full", fold=fold, device="cpu")
    (own, plan), (parts, folded) = seen
    assert (len(own.data.training), len(parts.data.training), parts.fold) == (200, 125, (1, 2))
    assert folded == plan
    assert plan_for(parts, "full").loop.epochs != plan.loop.epochs


def test_a_label_that_only_dev_had_is_trained_on_in_folds() -> None:
    def told(own: Example) -> tuple[str, ...]:
        tags = own.annotations["upos"]
        return {"dev": ("Z", *tags[1:]), "test": ("Q", *tags[1:])}.get(own.split or "", tags)

    own = gather("pos", model=MODEL, corpus=rewritten(upos=told), device="cpu")
    assert own.data.classes == ("A", "B", "C")
    assert any("16 dev or test labels never occur in training" in note for note in own.data.notes)
    for fold in range(1, 5):
        data = own.folded(fold, 4).data
        assert data.classes == ("A", "B", "C", "Z")
        rows = np.concatenate([np.arange(*data.held[at]) for at in data.training])
        assert [data.classes[code] for code in data.gold[rows]] == [data.labels[row] for row in rows]
        assert {data.labels[row] for row in np.flatnonzero(data.gold < 0)} == {"Q"}
        (note,) = (note for note in data.notes if "never occur" in note)
        assert note == "8 dev or test labels never occur in training, so count as errors: 'Q' (8)."
    # Where dev has no label of its own, nothing changes.
    plain = materials("bert")
    assert plain.folded(1, 4).data.classes == plain.data.classes


def test_what_was_chosen_on_dev_before_it_was_cut_into_folds_is_said(tmp_path: Path) -> None:
    own = materials("bert")
    plan = plan_of(own, "full", "loop.epochs=1", "train=3", "close=l2-sp:0.1")
    chosen = replace(plan, why=(*plan.why, Reason("close", "by dev", {"strengths": (0.1, 1.0)})))
    made = run_plan(own.folded(1, 4), chosen, tmp_path / "fold")
    assert any(
        "before it was cut into folds: the strength of what is held close. Rows of its dev" in one
        for one in made.report.provenance["notes"]
    )
    assert [entry.fold for entry in Bill.of({"full": made}).entries] == [(1, 4)]  # what bills pair runs by
    assert looked_at(None, chosen.why) == looked_at((1, 4), plan.why) == []
