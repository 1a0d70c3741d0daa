"""Training from cached layers is training from the text: the same targets, the same losses."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_models import LIMIT, tiny_model
from tuned_runs import SPLITS, cached, corpus, log_of, losses, materials, plan_of, trainer_of

from probekit import ActivationCache, extract, probe, tune
from probekit.cli.app import run
from probekit.errors import UsageError
from probekit.tuning.data.data import from_cache
from probekit.tuning.data.materials import gather
from probekit.tuning.data.reading import AskedReading
from probekit.tuning.network import feed as feed_module
from probekit.tuning.network.feed import Feed
from probekit.tuning.runs.folder import RunFolder
from probekit.tuning.training.loop import Trainer
from probekit.tuning.training.run import Running, network_of, run_plan

PLANS = {
    "head-only": ("head-only",),
    "first": ("head-only", "read.pool=first", "head=mlp:dropout=0.1"),
    "max": ("head-only", "read.pool=max", "read.layers=1,3"),
    "mix": ("head-only", "read.layers=0,1,2,3", "read.mix=0.1,0.2,0.3,0.4"),
    "crf": ("head-only", "head=crf:dropout=0"),
    "top-1": ("top:1", "head=linear:dropout=0.1"),
    "gradual": ("top:3", "schedule=gradual:epochs_each=0.5"),
    "whole": ("ulmfit", "schedule=gradual:epochs_each=0.4"),
    "between": ("top:1", "read.layers=0,2", "train=2", "head=bilstm:hidden=4,dropout=0"),
}


def test_another_reading_than_the_cache_s_is_refused_and_a_reports_cache_left_aside(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """States are of the texts as a cache read them; what was said that the cache says too is no other reading."""
    on, model = cached("bert"), str(tiny_model("bert"))
    for asked, said in (
        (AskedReading(max_length=6), "`max_length` the model's own limit, and 6 is asked for"),
        (AskedReading(overflow="truncate"), "`overflow` error, and truncate is asked for"),
        (AskedReading(input="text"), "`input` words, and text is asked for"),
    ):
        with pytest.raises(UsageError, match=said):
            gather("label", model=model, corpus=corpus(), on=on, reading=asked)
    with pytest.raises(UsageError, match="and text is asked for"):
        tune("label", model=model, corpus=corpus(), on=on, input="text")
    assert run(["tune", "--task", "label", "--on", str(on.path), "--corpus", "grammar:n=4", "--max-length", "6"]) == 2
    assert "and 6 is asked for" in capsys.readouterr().err
    given = {"model": model, "corpus": corpus(), "device": "cpu"}
    assert gather("label", on=on, reading=AskedReading("words", None, "error"), **given).cache is on
    # The model's own limit is no other reading, and one token less is.
    assert gather("label", on=on, reading=AskedReading(max_length=LIMIT), **given).cache is on
    with pytest.raises(UsageError, match=f"own limit, and {LIMIT - 1} is asked for"):
        gather("label", on=on, reading=AskedReading(max_length=LIMIT - 1), **given)
    with pytest.raises(UsageError, match=f"own limit, and {LIMIT + 1} is asked for"):
        gather("label", on=on, reading=AskedReading(max_length=LIMIT + 1), **given)
    report = probe("label", on=on, corpus=corpus(), fast=True)
    assert gather(report=report, reading=AskedReading(max_length=LIMIT), **given).cache is not None
    assert gather(report=report, reading=AskedReading(overflow="error"), **given).cache is not None
    aside = gather(report=report, reading=AskedReading(max_length=6, overflow="truncate"), **given)
    assert aside.cache is None
    assert aside.data.sizes.max() == 6
    assert any("the report's cache, was made with `max_length`" in note for note in aside.data.notes)
    assert (aside.read_from["max_length"], aside.read_from["overflow"]) == (6, "truncate")


def test_what_a_cache_cut_off_is_said_as_a_model_says_it(tmp_path: Path) -> None:
    """States of a cache are of the texts as it cut them, which a run on it says whoever made the cache."""
    model, how = str(tiny_model("bert")), AskedReading(max_length=6, overflow="truncate")
    made = extract(model, corpus(), max_length=6, overflow="truncate", cache=tmp_path, device="cpu").cache
    live = gather("label", model=model, corpus=corpus(), reading=how, device="cpu").data
    stored = gather("label", on=made, corpus=corpus(), device="cpu").data
    assert (live.digest, live.reading) == (stored.digest, stored.reading)
    (cut,) = (note for note in stored.notes if "cut off" in note)
    words, examples = re.match(r"([0-9]+) words were cut off from ([0-9]+) examples", cut).groups()  # type: ignore[union-attr]
    assert f"{examples} examples are cut to the model's limit and lose {words} words." in live.notes
    assert not any("cut" in note for note in materials("bert", on=True).data.notes)


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_the_same_targets_over_the_same_tokens(family: str) -> None:
    live, stored = materials(family).data, materials(family, on=True).data
    for name in ("gold", "first", "sizes", "spans", "held", "training"):
        assert np.array_equal(getattr(live, name), getattr(stored, name)), name
    assert live.digest == stored.digest
    assert live.textless == stored.textless


@pytest.mark.parametrize(
    ("family", "name"),
    [*(("bert", name) for name in PLANS), ("gpt2", "first"), ("gpt2", "gradual"), ("gpt2", "whole")],
)
def test_the_same_losses(family: str, name: str, tmp_path: Path) -> None:
    # top-1 and gradual draw dropout in the blocks that train: what is frozen draws none, or the two would differ
    own = materials(family, on=True)
    plan = plan_of(own, *PLANS[name])
    live = trainer_of(own, plan, tmp_path / "live", cache=False, once=False)
    live.fit()
    stored = trainer_of(own, plan, tmp_path / "stored")
    stored.fit()
    assert losses(tmp_path / "live") == pytest.approx(losses(tmp_path / "stored"), abs=1e-4)
    assert live.predicted("test") == pytest.approx(stored.predicted("test"))
    lowest = min(plan.depths)
    assert stored.feed.start == min(lowest - 1, max(plan.read.layers))
    if name == "gradual":
        assert [row["depths"][0] for row in log_of(tmp_path / "stored") if "loss" in row][-1] == lowest == 1


FROZEN = {"vectors": ("head=linear:dropout=0.2",), "tokens": ("head=crf:dropout=0",), "mix": PLANS["mix"][1:]}


@pytest.mark.parametrize("reads", FROZEN)
def test_what_is_made_once_is_what_is_made_each_time(reads: str, tmp_path: Path) -> None:
    own = materials()
    plan = plan_of(own, "head-only", *FROZEN[reads])
    for once in (True, False):
        trainer = trainer_of(own, plan, tmp_path / str(once), once=once)
        trainer.fit()
        assert (trainer.feed.start >= 0 or trainer.feed._vectors is not None) is once
    assert losses(tmp_path / "True") == pytest.approx(losses(tmp_path / "False"), abs=1e-5)


@pytest.mark.parametrize("reads", FROZEN)
def test_without_a_cache_a_model_below_a_head_reads_every_example_once(reads: str, tmp_path: Path) -> None:
    own = materials()
    plan = plan_of(own, "head-only", *FROZEN[reads])
    network, rows = network_of(own, plan), []
    network.body.register_forward_pre_hook(
        lambda module, args, inputs: rows.append(len(inputs["input_ids"])), with_kwargs=True
    )
    feed = Feed(network, own.data)
    feed.measure(min(plan.depths))
    trainer = Trainer(plan, feed, RunFolder(tmp_path))
    trainer.fit()
    trainer.predicted("test")
    assert sum(rows) == sum(SPLITS.values())


def test_states_that_are_too_many_to_keep_are_made_for_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    own = materials()
    plan = plan_of(own, "head-only", *FROZEN["mix"])
    monkeypatch.setattr(feed_module, "KEPT", 1000)
    feed = Feed(network_of(own, plan), own.data)
    feed.measure(min(plan.depths))
    assert feed.start == -1
    assert feed.route is not None
    assert "a cache of layer 0, 1, 2, 3 (--on) spares that" in feed.route


def test_it_is_said_where_states_come_from(tmp_path: Path) -> None:
    held = cached("bert").path.name
    for number, (name, on, said) in enumerate(
        [
            ("head-only", False, ["The model is run once, over 40 examples; the head trains on what it gave."]),
            ("head-only", True, [f"The head trains on layer 3 of {held}; the model is not run."]),
            ("top:1", True, [f"What is below layer 2 is read from {held}."]),
            ("top:1", False, ["Every batch runs the 2 blocks that are frozen; a cache of layer 2 (--on) spares that."]),
            ("full", True, []),
        ]
    ):
        told: list[str] = []
        own = materials(on=on)
        plan = plan_of(own, name, "loop.epochs=1")
        run_plan(own, plan, tmp_path / str(number), running=Running(told=told.append))
        assert told == said


def test_half_precision_is_trained_from_as_well(tmp_path: Path) -> None:
    half = ActivationCache.open(extract(str(tiny_model("bert")), corpus(), cache=tmp_path, store="float16").cache)
    own = materials()
    data = from_cache(half, corpus(), own.data.task)
    plan = plan_of(own, "top:1")
    trainer_of(replace(own, cache=half), plan, tmp_path / "half", data=data).fit()
    trainer_of(own, plan, tmp_path / "live").fit()
    assert losses(tmp_path / "half") == pytest.approx(losses(tmp_path / "live"), abs=1e-2)


def test_a_layer_that_is_missing_is_found_before_the_first_step(tmp_path: Path) -> None:
    few = ActivationCache.open(extract(str(tiny_model("bert")), corpus(), cache=tmp_path, layers="2,3").cache)
    own = materials()
    reached = trainer_of(own, plan_of(own, "top:3", "schedule=gradual"), tmp_path / "two")
    reached.feed.cache = few
    reached.fit()  # in two epochs no stage needs a layer below 2
    trainer = trainer_of(own, plan_of(own, "top:3", "schedule=gradual", "loop.epochs=4"), tmp_path / "run")
    trainer.feed.cache = few
    with pytest.raises(UsageError, match=r"needs layer 0, and .* holds 2, 3"):
        trainer.fit()
    assert losses_or_none(tmp_path / "run") is None


def losses_or_none(folder: Path) -> list[float] | None:
    return losses(folder) if (folder / "log.jsonl").exists() else None


def test_a_cache_is_used_where_its_layers_are_frozen_at_first(tmp_path: Path) -> None:
    own = materials(on=True)
    for number, (name, used) in enumerate([("full", False), ("ulmfit", True), ("head-only", True)]):
        plan = plan_of(own, name, "loop.epochs=1")
        tuned = run_plan(own, plan, tmp_path / str(number), running=Running())
        assert tuned.cost.from_cache is used
    assert cached("bert").path == own.cache.path
