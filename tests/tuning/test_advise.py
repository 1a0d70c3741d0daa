"""Advice: planted curves give the plans they must, every reason has the report's numbers, test rows choose nothing."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from plugins import install

from probekit.errors import InputError, UsageError
from probekit.report import LayerReport
from probekit.tuning.advise import ORDER, RULES, advise, ordered_rules
from probekit.tuning.facts import ModelFacts
from probekit.tuning.plan import TunePlan

Facts = Callable[..., ModelFacts]
Report = Callable[..., LayerReport]

RISING = (0.3, 0.5, 0.7, 0.8, 0.82, 0.83, 0.83)


@pytest.fixture
def plan_of(make_facts: Facts) -> Callable[..., TunePlan]:
    def plan(report: LayerReport, *, n_train: int = 1500, n_layers: int = 6, **options: object) -> TunePlan:
        return advise(report, make_facts(n_layers=n_layers), n_train=n_train, task="deprel", **options)  # type: ignore[arg-type]

    return plan


Plan = Callable[..., TunePlan]


# What is planted is found.


@pytest.mark.parametrize("k", range(7))
def test_a_feature_of_one_layer_is_read_where_it_is(make_report: Report, plan_of: Plan, k: int) -> None:
    curve = [0.22] * 7
    curve[k] = 0.95
    report = make_report(curve, not_worse=[k])
    assert plan_of(report).read.layers == plan_of(report, frozen=True).read.layers == (k,)
    assert plan_of(report).keep == k


@pytest.mark.parametrize("k", range(6))
def test_where_a_curve_stops_rising_one_block_above_is_kept(make_report: Report, plan_of: Plan, k: int) -> None:
    report = make_report([0.3 + 0.1 * min(layer, k) for layer in range(7)], not_worse=list(range(k, 7)))
    plan = plan_of(report)
    assert (plan.keep, plan.read.layers, plan.train) == (k + 1, (k + 1,), tuple(range(1, k + 2)))
    alone = plan_of(report, frozen=True)
    assert (alone.keep, alone.read.layers, alone.train) == (k, (k,), ())


def test_of_equal_layers_the_lowest_is_taken(make_report: Report, plan_of: Plan) -> None:
    flat = make_report([0.8] * 7, not_worse=list(range(7)))
    assert plan_of(flat, frozen=True).read.layers == (0,)
    assert plan_of(flat).keep == 1


def test_no_block_above_the_last_is_kept(make_report: Report, plan_of: Plan) -> None:
    plan = plan_of(make_report([0.1 * layer + 0.3 for layer in range(7)], not_worse=[6]))
    assert (plan.keep, plan.read.layers) == (6, (6,))


def test_layers_not_worse_are_those_of_the_report_s_tests(make_report: Report, plan_of: Plan) -> None:
    assert plan_of(make_report(RISING, not_worse=[3, 4, 5, 6])).keep == 4
    assert plan_of(make_report(RISING, not_worse=[5, 6])).keep == 6
    untested = plan_of(make_report(RISING))
    assert untested.keep == 6
    assert "layer 5 is best on dev (0.830 accuracy), and the report has no tests between layers" in untested.why[0].text


def test_a_layer_more_than_a_standard_error_below_is_not_taken_though_it_is_not_shown_to_be_worse(
    make_report: Report, plan_of: Plan
) -> None:
    wide, narrow = (make_report(RISING, not_worse=range(7), reach=reach) for reach in (0.1, 0.03))
    assert plan_of(wide, frozen=True).keep == 3  # 0.83 - 0.1 / 1.96 = 0.779
    assert plan_of(narrow, frozen=True).keep == 4  # 0.83 - 0.03 / 1.96 = 0.815


def test_tests_on_other_rows_than_dev_do_not_count(make_report: Report, plan_of: Plan) -> None:
    report = make_report(RISING, not_worse=[2, 5])
    report.provenance["tests"]["split"] = "test"  # type: ignore[index]
    assert plan_of(report).keep == 6


def test_final_is_no_depth(make_report: Report, plan_of: Plan) -> None:
    curve = {**dict(enumerate(RISING)), "final": 0.99}
    assert plan_of(make_report(curve, not_worse=[4, 5, 6, "final"])).keep == 5


def test_of_an_encoder_decoder_the_encoder_is_planned(make_report: Report, plan_of: Plan) -> None:
    curve = {f"encoder:{layer}": value for layer, value in enumerate(RISING)}
    curve |= {f"decoder:{layer}": 0.99 for layer in range(7)}
    assert plan_of(make_report(curve, not_worse=["encoder:3", "encoder:4", "decoder:2"])).keep == 4


def test_layers_may_be_probed_in_part(make_report: Report, plan_of: Plan) -> None:
    plan = plan_of(make_report({0: 0.3, 3: 0.8, 6: 0.8}, not_worse=[3, 6]))
    assert plan.keep == 4
    assert "one block above it (was not probed) is kept" in plan.why[0].text


# A mix.


MIX = {0: 0.02, 1: 0.03, 2: 0.05, 3: 0.3, 4: 0.4, 5: 0.15, 6: 0.05}


def test_a_mix_better_than_every_layer_is_read_and_started_at_its_weights(make_report: Report, plan_of: Plan) -> None:
    plan = plan_of(make_report(RISING, not_worse=[4, 5, 6], mix=MIX, mix_dev=0.86))
    assert (plan.read.layers, plan.keep) == ((3, 4, 5), 5)
    assert plan.read.mix == pytest.approx((0.3 / 0.85, 0.4 / 0.85, 0.15 / 0.85))
    assert "0.860" in next(reason.text for reason in plan.why if reason.field == "read")


def test_a_mix_that_may_be_no_better_is_not(make_report: Report, plan_of: Plan) -> None:
    plan = plan_of(make_report(RISING, not_worse=[4, 5, 6], mix=MIX, mix_dev=0.835))
    assert (plan.read.layers, plan.read.mix) == ((5,), None)


# How, by how much there is to train on.


@pytest.mark.parametrize("low", range(7))
def test_every_kept_block_trains_and_the_embeddings_stay(make_report: Report, plan_of: Plan, low: int) -> None:
    report = make_report([0.5] * low + [0.8] * (7 - low), not_worse=range(low, 7))
    for n_train in (100, 10_000):
        plan = plan_of(report, n_train=n_train)
        assert plan.train == tuple(range(1, min(low + 1, 6) + 1))
        assert "the embeddings stay" in next(reason.text for reason in plan.why if reason.field == "train")
    assert plan_of(report, frozen=True).train == ()


def test_where_blocks_train_steps_are_small(make_report: Report, plan_of: Plan) -> None:
    report = make_report(RISING, not_worse=[4, 5, 6])
    blocks, alone = plan_of(report), plan_of(report, frozen=True)
    assert (blocks.loop.batch_tokens, blocks.loop.epochs, blocks.rate.depth_factor) == (256, 5, 0.9)
    assert (alone.loop.batch_tokens, alone.loop.epochs, alone.loop.patience) == (1024, 30, 10)
    few = plan_of(report, n_train=100)
    assert (few.loop.epochs, few.loop.patience) == (15, 5)
    assert "3 times the usual 5 epochs" in next(reason.text for reason in few.why if reason.field == "loop.epochs")
    assert blocks.schedule.name == alone.schedule.name == "full"


def test_a_narrower_model_takes_a_higher_rate(make_report: Report, make_facts: Facts) -> None:
    report = make_report(RISING, not_worse=[5])
    peaks = [
        advise(report, make_facts(width=width), n_train=500, task="deprel").rate.peak
        for width in (64, 384, 768, 1024, 8192)
    ]
    assert peaks == [4e-4, 2e-4, 5e-5, pytest.approx(3e-5), 1e-5]


def test_the_head_and_the_pooling_fit_the_targets(make_report: Report, plan_of: Plan) -> None:
    assert plan_of(make_report(RISING), labels=("O", "B-x", "I-x")).head.name == "crf"
    assert plan_of(make_report(RISING, kind="pair")).head.name == "pair"
    assert plan_of(make_report(RISING, pool="first")).read.pool == "first"
    assert plan_of(make_report(RISING, kind="sentence", pool="first")).read.pool == "mean"
    assert plan_of(make_report(RISING, pool="learned")).read.pool == "mean"
    spans = plan_of(make_report(RISING, kind="span"))
    assert (spans.head.name, spans.read.pool) == ("span", "endpoints")


# Reasons.


def test_every_decision_has_a_reason_with_the_report_s_numbers(make_report: Report, plan_of: Plan) -> None:
    plan = plan_of(make_report(RISING, not_worse=[4, 5, 6]), digest="b" * 64)
    assert [reason.field for reason in plan.why] == [
        "keep", "read", "train", "rate.depth_factor", "head", "read.pool", "loop.batch_tokens", "rate.name",
        "rate.peak",
        "rate.head_peak", "loop.epochs",
    ]  # fmt: skip
    keep = plan.why[0]
    assert keep.text == (
        "layer 5 is best on dev (0.830 accuracy), and layer 4 (0.820) is the lowest that is not shown to be worse "
        "and within a standard error; one "
        "block above it (0.830) is kept to be tuned: 1 of 6 blocks are removed"
    )
    assert keep.evidence["dev"] == RISING
    assert plan.report == "b" * 64
    assert TunePlan.from_json(plan.to_json()) == plan


# Test rows choose nothing.


@pytest.mark.parametrize("seed", range(5))
def test_permuting_test_rows_changes_no_choice(make_report: Report, plan_of: Plan, seed: int) -> None:
    report = make_report(RISING, not_worse=[4, 5, 6], mix=MIX, mix_dev=0.86)
    values = [row.value for row in report.rows if row.split == "test"]
    random.Random(seed).shuffle(values)
    drawn = iter(values)
    turned = LayerReport(
        tuple(replace(row, value=next(drawn)) if row.split == "test" else row for row in report.rows),
        report.provenance,
    )
    without = LayerReport(tuple(row for row in report.rows if row.split != "test"), report.provenance)
    assert plan_of(turned) == plan_of(report) == plan_of(without)


# What decides nothing is refused.


def test_without_dev_rows_nothing_is_decided(make_report: Report, plan_of: Plan) -> None:
    report = make_report(RISING)
    with pytest.raises(InputError, match=r"no dev rows .*--plan full"):
        plan_of(LayerReport(tuple(row for row in report.rows if row.split != "dev"), report.provenance))


def test_one_layer_leaves_nothing_to_choose(make_report: Report, plan_of: Plan) -> None:
    with pytest.raises(InputError, match=r"one layer with a dev score \(3\)"):
        plan_of(make_report({3: 0.8, "final": 0.9}))


@pytest.mark.parametrize("floor", [0.8, 0.9])
def test_a_report_at_its_floor_decides_nothing(make_report: Report, plan_of: Plan, floor: float) -> None:
    with pytest.raises(InputError, match=rf"best, layer 0, has 0\.800 accuracy, the floor {floor:.3f}"):
        plan_of(make_report([0.8] * 7, floor=floor))


def test_a_report_of_another_model_or_task_is_refused(make_report: Report, make_facts: Facts) -> None:
    report = make_report(RISING)
    with pytest.raises(UsageError, match=r"model 'minilm' \(5{12}\), not of 'other' \(6{12}\)"):
        advise(report, make_facts(name="other", digest="6" * 64), n_train=9, task="deprel")
    with pytest.raises(UsageError, match="task 'deprel', not of 'pos'"):
        advise(report, make_facts(), n_train=9, task="pos")
    with pytest.raises(UsageError, match=r"layer 6, but 'minilm' has 4"):
        advise(report, make_facts(n_layers=4), n_train=9, task="deprel")
    report.provenance["model"].pop("weights")
    with pytest.raises(UsageError, match="weights that it does not name"):
        advise(report, make_facts(), n_train=9, task="deprel")
    with pytest.raises(UsageError, match="`n_train`"):
        advise(report, make_facts(), n_train=0, task="deprel")


# The catalogue of rules.


def test_rules_decide_in_their_order() -> None:
    names = [rule.name for rule in ordered_rules()]
    assert tuple(names[: len(ORDER)]) == ORDER
    assert sorted(names) == sorted(RULES.members())
    assert all(rule.help for rule in ordered_rules())


MORE = '''"""Never more than two blocks."""
from probekit.tuning.advise import Decision, Rule

def decide(case):
    return Decision("loop.epochs", 1, f"no time, after {case.decided['loop']['epochs']}")

RULE = Rule("a-hurry", decide, "one epoch")
'''


def test_a_rule_of_another_package_comes_last_and_replaces(tmp_path: Path) -> None:
    install(tmp_path, "hurry", {"hurry.py": MORE}, {"probekit.rules": ["hurry = hurry"]})
    code = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, 'tests/tuning', 'tests']\n"
        "import conftest\n"
        "from probekit.tuning.advise import advise\n"
        "from probekit.tuning.facts import ModelFacts\n"
        "facts = ModelFacts('minilm', conftest.DIGEST, 6, 384, (1,) * 7)\n"
        "plan = advise(conftest.report([.3, .5, .6]), facts, n_train=2000, task='deprel')\n"
        "print(plan.loop.epochs, [r.text for r in plan.why if r.field == 'loop.epochs'])\n"
        "assert not {'torch', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert (done.stdout, done.stderr) == ("1 ['no time, after 5']\n", "")
