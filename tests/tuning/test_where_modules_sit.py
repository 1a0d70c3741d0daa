"""Where modules sit: as a report says, everywhere, in one half; and what a run with modules is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tuned_runs import materials

from probekit.errors import UsageError
from probekit.report import LayerReport
from probekit.tuning.advise import advise
from probekit.tuning.choices import typed_modules
from probekit.tuning.facts import ModelFacts
from probekit.tuning.plans import make_plan
from probekit.tuning.tune import plan_for

Reports = Callable[..., LayerReport]
Facts = Callable[..., ModelFacts]

STEEP = [0.25, 0.30, 0.35, 0.60, 0.80, 0.85, 0.84]
"""Half of what layer 5 gains over 0.2 is reached at layer 3."""
EARLY = [0.25, 0.80, 0.85, 0.85, 0.84, 0.84, 0.80]


@pytest.mark.parametrize(
    ("dev", "typed", "keep", "depths"),
    [
        (STEEP, "bottleneck", 6, [4, 5, 6]),
        (EARLY, "bottleneck", None, None),  # from block 2, which stands above layer 1
        (STEEP, "bottleneck@1,2", 6, [1, 2]),
    ],
)
def test_a_report_says_where_modules_sit(
    make_report: Reports, make_facts: Facts, dev: list[float], typed: str, keep: int | None, depths: list[int] | None
) -> None:
    found = advise(make_report(dev), make_facts(), n_train=500, task="deprel", modules=typed_modules(typed))
    plain = advise(make_report(dev), make_facts(), n_train=500, task="deprel")
    assert found.keep == plain.keep
    assert list(found.modules[0].depths) == (depths or list(range(2, plain.keep + 1)))
    assert (found.train, found.loop, found.rate.head_peak) == ((), plain.loop, plain.rate.head_peak)
    why = {reason.field: reason.text for reason in found.why}
    assert "norms too" in why["train"]
    if "@" not in typed:
        assert f"gains over chance ({0.2:.3f})" in why["modules"]
    assert plain.modules == ()
    assert plain.train


def test_other_dev_scores_put_them_elsewhere(make_report: Reports, make_facts: Facts) -> None:
    places = [
        advise(make_report(dev), make_facts(), n_train=500, task="deprel", modules=typed_modules("pal")).modules[0]
        for dev in (STEEP, EARLY)
    ]
    assert places[0].depths[0] > places[1].depths[0]


@pytest.mark.parametrize(
    ("name", "depths"),
    [
        ("adapters", (1, 2, 3, 4, 5, 6)),
        ("adapters:top", (4, 5, 6)),
        ("adapters:bottom", (1, 2, 3)),
        ("adapters:top:lora:4", (4, 5, 6)),
    ],
)
def test_plans_without_a_report(make_facts: Facts, name: str, depths: tuple[int, ...]) -> None:
    plan = make_plan(name, make_facts(), "pos")
    (module,) = plan.modules
    assert (plan.keep, plan.train, module.depths) == (6, (), depths)
    assert module.options == ({"r": 4} if "lora" in name else {"width": 16})
    blocks = make_plan("full", make_facts(), "pos")  # as many and as large steps as where blocks train
    assert (plan.loop, plan.rate) == (blocks.loop, blocks.rate)


def test_a_half_that_is_none_is_refused(make_facts: Facts) -> None:
    with pytest.raises(UsageError, match=r"`where` .* one of everywhere, top, bottom. Got 'middle'"):
        make_plan("adapters:middle", make_facts(), "pos")


def test_what_is_typed_reaches_the_plan(make_report: Reports) -> None:
    own = materials("bert")
    plain = plan_for(own, None, changes=["modules=bottleneck:4"])
    assert (plain.modules[0].depths, plain.train) == ((1, 2, 3), ())
    half: Any = [0.2, 0.3, 0.6, 0.8]
    read = make_report(half)
    rows = tuple(replace(row, task="pos", model=own.facts.name) for row in read.rows)
    told = {**read.provenance, "task": "pos", "model": {"name": own.facts.name, "weights": own.facts.digest}}
    report = LayerReport(rows, told)
    found = plan_for(replace(own, report=report), None, changes=["modules=bottleneck:4", "loop.epochs=2"])
    assert (found.modules[0].depths, found.train, found.loop.epochs) == ((3,), (), 2)
    by_hand = plan_for(replace(own, report=report), None, changes=["modules=bottleneck:4", "train=3"])
    assert by_hand.train == (3,)
