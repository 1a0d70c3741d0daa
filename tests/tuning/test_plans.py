"""Plans without a report, and every member of the catalogue."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from probekit.errors import UsageError
from probekit.tuning.facts import ModelFacts
from probekit.tuning.heads import get_head
from probekit.tuning.plan import TunePlan
from probekit.tuning.plans import PLANS, make_plan

Facts = Callable[..., ModelFacts]


@pytest.mark.parametrize(
    ("name", "keep", "train"),
    [
        ("full", 6, (0, 1, 2, 3, 4, 5, 6)),
        ("top:2", 6, (5, 6)),
        ("last:3", 6, (4, 5, 6)),
        ("top:blocks=0", 6, ()),
        ("head-only", 6, ()),
        ("head-only:3", 3, ()),
        ("head-only:0", 0, ()),
        ("constant:4", 4, (0, 1, 2, 3, 4)),
        ("uniform:3", 6, (2, 4, 6)),
        ("uniform:4", 6, (1, 3, 4, 6)),
        ("uniform:1", 6, (6,)),
        ("uniform:6", 6, (1, 2, 3, 4, 5, 6)),
        ("ulmfit", 6, (0, 1, 2, 3, 4, 5, 6)),
    ],
)
def test_a_recipe_keeps_and_trains_what_it_says(
    make_facts: Facts, name: str, keep: int, train: tuple[int, ...]
) -> None:
    plan = make_plan(name, make_facts(), "pos")
    assert (plan.keep, plan.read.layers, plan.train) == (keep, (keep,), train)


def test_random_blocks_differ_by_draw_alone(make_facts: Facts) -> None:
    draws = [make_plan(f"random:3:{draw}", make_facts(), "pos").train for draw in range(20)]
    assert all(len(set(train)) == 3 and set(train) <= set(range(1, 7)) for train in draws)
    assert len(set(draws)) > 5
    assert draws[4] == make_plan("random:blocks=3:draw=4", make_facts(), "pos").train
    assert {block for train in draws for block in train} == set(range(1, 7))


def test_ulmfit_is_the_paper_s(make_facts: Facts) -> None:
    plan = make_plan("ulmfit", make_facts(width=768), "label", kind="sentence")
    assert (plan.schedule.name, plan.rate.name) == ("gradual", "slanted-triangular")
    assert (plan.head.name, plan.read.pool) == ("concat-pool", "concat")
    assert plan.rate.head_peak == pytest.approx(plan.rate.peak * 2.6)
    assert plan.rate.depth_factor == pytest.approx(1 / 2.6)


@pytest.mark.parametrize("name", sorted(PLANS.members()))
def test_every_member_makes_a_plan_for_any_model(make_facts: Facts, name: str) -> None:
    for n_layers in (4, 24):
        facts = make_facts(n_layers=n_layers)
        plan = make_plan(name, facts, "pos")
        assert plan.check(facts, "pos") is plan
        assert TunePlan.from_json(plan.to_json()) == plan == make_plan(name, facts, "pos")
        assert plan.why[0].text.startswith(f"the plan {name}: ")
    assert PLANS.members()[name].help


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ful", "Did you mean 'full'"),
        ("top:7", "has 6"),
        ("top:x", "must be a whole number"),
        ("top:-1", "0 or more"),
        ("top:1.5", "must be a whole number"),
        ("top:block=2", "no option 'block'; it has blocks"),
        ("full:2", "written full"),
        ("random:2:1:1", "written random:BLOCKS:DRAW"),
        ("head-only:-2", "layer"),
    ],
)
def test_a_wrong_name_or_option_is_refused(make_facts: Facts, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_plan(name, make_facts(), "pos")


@pytest.mark.parametrize(
    ("kind", "labels", "head"),
    [
        ("word", ("NOUN", "VERB"), "linear"),
        ("word", (), "linear"),
        ("word", ("O", "B-person", "I-person"), "crf"),
        ("word", ("O", "B-person", "B-place"), "linear"),
        ("word", ("B-x", "I-x", "odd"), "linear"),
        ("word", ("B-", "I-"), "linear"),
        ("word", ("B-NP", "I-NP", "E-NP", "S-NP", "O"), "crf"),
        ("sentence", ("B-x", "I-x"), "linear"),
        ("pair", (), "pair"),
        ("span", (), "span"),
    ],
)
def test_the_head_fits_the_targets(make_facts: Facts, kind: str, labels: tuple[str, ...], head: str) -> None:
    for recipe in PLANS.members():
        plan = make_plan(recipe, make_facts(), "x", kind=kind, labels=labels)
        assert plan.head.name == (head if (recipe, kind) != ("ulmfit", "sentence") else "concat-pool")
        get_head(plan.head.name).check(kind=kind, targets="labels", pool=plan.read.pool)


def test_the_head_alone_trains_faster_and_longer(make_facts: Facts) -> None:
    alone, blocks = make_plan("head-only", make_facts(), "pos"), make_plan("top:2", make_facts(), "pos")
    assert (alone.rate.head_peak, alone.loop.epochs, alone.loop.patience) == (1e-2, 30, 10)
    assert (blocks.rate.head_peak, blocks.loop.epochs, blocks.loop.patience) == (1e-3, 5, 3)


@pytest.mark.parametrize(("n_train", "epochs", "patience"), [(10, 40, 13), (40, 38, 12), (300, 5, 3), (10_000, 5, 3)])
def test_few_examples_are_seen_more_often(make_facts: Facts, n_train: int, epochs: int, patience: int) -> None:
    few = make_plan("full", make_facts(), "pos", n_train=n_train)
    assert (few.loop.epochs, few.loop.patience) == (epochs, patience)
    alone = make_plan("head-only", make_facts(), "pos", n_train=n_train)
    assert (alone.loop.epochs, alone.loop.patience) == (30, 10)
