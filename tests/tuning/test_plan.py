"""Plans: strict when they are read, the same bytes for the same plan, changed by hand without a contradiction."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from probekit.errors import CacheError, InputError, UsageError
from probekit.tuning.facts import ModelFacts
from probekit.tuning.plan import TunePlan, diff
from probekit.tuning.reasons import Reason


def test_a_plan_is_written_and_read_the_same(plan: TunePlan, document: dict[str, Any], tmp_path: Path) -> None:
    path = plan.write(tmp_path / "plans" / "plan.json")
    assert TunePlan.read_file(path) == plan
    assert plan.to_json() == document
    assert json.loads(path.read_text()) == document


def test_equal_plans_have_equal_bytes(document: dict[str, Any]) -> None:
    turned = {key: document[key] for key in reversed(document)}
    turned["rate"] = {key: document["rate"][key] for key in reversed(document["rate"])}
    turned["rate"]["cut_fraction"] = 0.2
    document["rate"]["cut_fraction"] = 0.2
    assert TunePlan.from_json(turned).text() == TunePlan.from_json(document).text()


def test_what_has_a_default_may_be_left_out(document: dict[str, Any]) -> None:
    del document["loop"]["clip"], document["why"], document["report"], document["read"]["mix"]
    plan = TunePlan.from_json(document)
    assert (plan.loop.clip, plan.why, plan.report, plan.read.mix) == (1.0, (), None, None)


NOT_PLANS = [
    ("keeep", 3, "no field 'keeep'"),
    ("loop.epoch", 3, "no field 'loop.epoch'; .* Did you mean 'epochs'"),
    ("read.layer", [3], "no field 'read.layer'"),
    ("model.revision", "x", "no field 'model.revision'"),
    ("report.md5", "x", "no field 'report.md5'"),
    ("module", [], "no field 'module'; .* Did you mean 'modules'"),
    ("modules", {"name": "bottleneck"}, "`modules` .* a list"),
    ("modules", ["bottleneck"], "`modules` .* JSON object"),
    ("modules", [{"name": "bottleneck"}], "lacks the field 'modules.depths'"),
    ("close", [{"name": "never-heard-of"}], "close"),
    ("close", [{"name": "l2-sp", "options": {"strength": 0.1}}, {"name": "l2-sp"}], "by 'l2-sp' twice"),
    ("signals", [{"name": "never-heard-of"}], "with"),
    ("signals", [{"name": "lm", "weights": [1, 1]}], "no field 'signals.weights'.*Did you mean 'weight'"),
    ("signals", [{"name": "lm", "weight": [1]}], "`signals.weight`"),
    ("signals", [{"name": "lm", "weight": 1}], "`signals.weight`"),
    ("rate.cut", 0.1, "rate 'slanted-triangular' has no option 'cut'"),
    ("schedule.epochs", 2, "schedule 'gradual' has no option 'epochs'; it has epochs_each"),
    ("keep", "4", "`keep` .* Got '4'"),
    ("keep", 4.0, "`keep`"),
    ("keep", True, "`keep`"),
    ("keep", -1, "`keep`"),
    ("train", {"3": 1}, "`train`"),
    ("train", [4, 3], "`train`"),
    ("train", [3, 3], "`train`"),
    ("train", [-1], "`train`"),
    ("train", ["3"], "`train`"),
    ("read", [4], "`read` .* JSON object"),
    ("read.layers", [], "`read.layers`"),
    ("read.layers", [10**9], "read.layers .* above keep=4"),
    ("read.mix", [0.5, 0.5], "read.mix has 2 weights for 1 layers"),
    ("read.mix", [0.5], "`read.mix`"),
    ("read.mix", ["1"], "`read.mix`"),
    ("read.pool", "", "`read.pool`"),
    ("read.pool", "men", "`read.pool` .* Did you mean .mean."),
    ("head", "crf", "`head` .* JSON object"),
    ("head.name", None, "`head.name`"),
    ("head.options", {"hidden": [3]}, "`head.options.hidden`"),
    ("schedule.name", "full", "schedule 'full' has no option 'epochs_each'"),
    ("schedule.name", "graduall", "no schedule 'graduall'|Did you mean 'gradual'"),
    ("schedule.epochs_each", 0, "`epochs_each` .* over 0"),
    ("schedule.epochs_each", [1], "schedule.epochs_each"),
    ("rate.peak", 0, "`rate.peak`"),
    ("rate.peak", "1e-4", "`rate.peak`"),
    ("rate.head_peak", 2, "`rate.head_peak`"),
    ("rate.depth_factor", 0, "`rate.depth_factor`"),
    ("loop.epochs", 0, "`loop.epochs`"),
    ("loop.epochs", 1.5, "`loop.epochs`"),
    ("loop.clip", 0, "`loop.clip`"),
    ("loop.patience", 0, "`loop.patience`"),
    ("loop.precision", "float16", "`loop.precision`"),
    ("report.sha256", "a" * 63, "`report.sha256`"),
    ("model.digest", "", "`model.digest`"),
    ("task", "", "`task`"),
    ("why", {"field": "keep"}, "why"),
    ("why", [{"field": "keep"}], "lacks the field 'why.text'"),
    ("why", [{"field": "keep", "text": "x", "evidence": {"dev": "0.7"}}], "`why.evidence`"),
    ("schema", "probekit.report/2", "not a plan"),
    ("schema", None, "not a plan"),
]


@pytest.mark.parametrize(("field", "value", "message"), NOT_PLANS)
def test_a_wrong_field_is_named_with_the_file(
    document: dict[str, Any], tmp_path: Path, field: str, value: Any, message: str
) -> None:
    *above, last = field.split(".")
    place = document
    for part in above:
        place = place[part]
    place[last] = value
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=message) as caught:
        TunePlan.read_file(path)
    assert str(path) in str(caught.value)


REQUIRED = ["model", "task", "read", "keep", "train", "head", "rate", "model.digest", "read.layers", "head.name"]


@pytest.mark.parametrize("field", [*REQUIRED, "rate.peak", "rate.name"])
def test_a_field_that_is_missing_is_named(document: dict[str, Any], field: str) -> None:
    *above, last = field.split(".")
    del (document[above[0]] if above else document)[last]
    with pytest.raises(InputError, match=f"lacks the field '{field}'"):
        TunePlan.from_json(document)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"keep": 3, "keep": 4}', '{"keep": NaN}', '{"task": "\\ud800"}', "\ufeff{}", "[" * 5000]
)
def test_what_is_no_strict_json_is_no_plan(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(text.encode())
    with pytest.raises(InputError, match=r"plan\.json"):
        TunePlan.read_file(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json.*cannot be read"):
        TunePlan.read_file(tmp_path / "none.json")


def test_a_newer_plan_is_not_guessed_at(document: dict[str, Any]) -> None:
    document["schema"] = "probekit.plan/2"
    with pytest.raises(CacheError, match="Update probekit"):
        TunePlan.from_json(document)


def test_fields_are_set_as_they_are_typed(plan: TunePlan) -> None:
    changed = plan.with_set(
        "keep=3", "read=2,3", "read.mix=0.25,0.75", "train=1-3", "rate.peak=2e-5", "head=bilstm:hidden=64,mean=true",
        "schedule=sequential:embeddings_at=3", "loop.clip=null", "rate.cut_fraction=0.2",
    )  # fmt: skip
    assert (changed.keep, changed.read.layers, changed.read.mix, changed.train) == (3, (2, 3), (0.25, 0.75), (1, 2, 3))
    assert (changed.rate.peak, changed.rate.head_peak, changed.loop.clip) == (2e-5, 1e-3, None)
    assert (changed.head.name, changed.head.options) == ("bilstm", {"hidden": 64, "mean": True})
    assert (changed.schedule.name, changed.schedule.options) == ("sequential", {"embeddings_at": 3})
    assert changed.rate.options == {"cut_fraction": 0.2}
    assert plan.with_set("train=").train == ()
    assert TunePlan.from_json(changed.to_json()) == changed


def test_another_shape_of_rates_keeps_the_rates(plan: TunePlan) -> None:
    changed = plan.with_set("rate.cut_fraction=0.2").with_set("rate=warmup-linear:warmup=0.2")
    assert (changed.rate.peak, changed.rate.options) == (1e-4, {"warmup": 0.2})


def test_changes_count_together(plan: TunePlan) -> None:
    assert plan.with_set("keep=3", "read=3", "train=3").keep == plan.with_set("train=3", "read=3", "keep=3").keep == 3


def test_what_a_change_makes_invalid_is_said_with_the_way_out(plan: TunePlan) -> None:
    with pytest.raises(UsageError, match=r"read\.layers \[4\] .*keep=3.*train \[3, 4\].*: read\.layers=3, train=3\."):
        plan.with_set("keep=3")
    assert plan.with_set("keep=3", "read.layers=3", "train=3").keep == 3


def test_what_trains_above_what_is_read_would_not_move(plan: TunePlan) -> None:
    with pytest.raises(UsageError, match=r"train \[3, 4\] reach above layer 3.*train=3\."):
        plan.with_set("read=3")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("keep", "written field=value"),
        ("kept=3", "no field 'kept'.*Did you mean 'keep'"),
        ("loop.epoch=3", "no field 'loop.epoch'.*Did you mean 'epochs'"),
        ("lop.epochs=3", "no field 'lop'.*Did you mean 'loop'"),
        ("keep.x=3", "no field 'keep'|no field 'keep.x'"),
        ("loop=3", "set in parts: loop.epochs"),
        ("task=pos", "'task' .* not set"),
        ("model.digest=x", "'model.digest' .* not set"),
        ("keep=three", "`keep`"),
        ("train=a-b", "`train`"),
        ("schedule=gradul", "gradual"),
        ("head=crf:x", "written NAME:option=value"),
        ("rate=constant:cut_fraction=1", "no option 'cut_fraction'"),
    ],
)
def test_a_wrong_change_is_refused(plan: TunePlan, change: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan.with_set(change)


def test_the_reason_of_what_is_set_by_hand_says_so(plan: TunePlan) -> None:
    (reason,) = plan.with_set("keep=5").why
    assert (reason.field, reason.text) == ("keep", "set by hand to 5; it was 4")
    assert plan.with_set("keep=4").why == plan.why
    assert [one.field for one in plan.with_set("loop.seed=1").why] == ["keep", "loop.seed"]


def test_plans_are_compared_by_field(plan: TunePlan) -> None:
    other = plan.with_set("keep=3", "read=3", "train=3", "schedule=full")
    assert diff(plan, other) == [
        "read.layers: [4] -> [3]",
        "keep: 4 -> 3",
        "train: [3, 4] -> [3]",
        'schedule.name: "gradual" -> "full"',
        "schedule.epochs_each: 1 -> none",
    ]
    assert diff(plan, plan.because(Reason("keep", "another reason"))) == []


def test_a_plan_for_another_model_or_task_is_refused(plan: TunePlan, make_facts: Callable[..., ModelFacts]) -> None:
    assert plan.check(make_facts(), "deprel") is plan
    with pytest.raises(UsageError, match=r"'minilm' \(5{12}\), not for 'other' \(6{12}\)"):
        plan.check(make_facts(name="other", digest="6" * 64), "deprel")
    with pytest.raises(UsageError, match="'deprel', not for 'pos'"):
        plan.check(make_facts(), "pos")
    with pytest.raises(UsageError, match=r"keeps 4 blocks .* has 3"):
        plan.check(make_facts(n_layers=3), "deprel")


def test_a_plan_can_be_copied(plan: TunePlan) -> None:
    assert copy.deepcopy(plan) == plan


def test_plans_schedules_and_rates_import_no_torch() -> None:
    code = (
        "import sys, probekit.tuning.plan, probekit.tuning.schedules as s, probekit.tuning.rates as r\n"
        "s.SCHEDULES.members(), r.RATES.members()\n"
        "assert not {'torch', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules), sorted(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == ""
