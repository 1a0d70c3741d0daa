"""Of several strengths the greatest is chosen that dev does not tell from the best."""

from __future__ import annotations

import pytest

from probekit.errors import InputError, UsageError
from probekit.report import Measurement
from probekit.tuning.auxiliary.strength import choose_strength, strengths_of
from probekit.tuning.plan import TunePlan


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("l2-sp:0.01,0.1,1", ["l2-sp:0.01", "l2-sp:0.1", "l2-sp:1"]),
        ("distill:1,10,layer=2", ["distill:1,layer=2", "distill:10,layer=2"]),
        ("ewc:10;l2-sp:0.1,1", ["ewc:10;l2-sp:0.1", "ewc:10;l2-sp:1"]),
        ("ewc:examples=5", ["ewc:examples=5"]),
        ("l2-sp", ["l2-sp"]),
        ("", [""]),
    ],
)
def test_strengths_are_taken_apart(text: str, expected: list[str]) -> None:
    assert strengths_of(text) == expected


def test_one_member_at_a_time() -> None:
    with pytest.raises(UsageError, match="one member at a time"):
        strengths_of("l2-sp:0.1,1;distill:1,10")


def test_a_plan_has_one_strength(plan: TunePlan) -> None:
    with pytest.raises(UsageError, match="by one strength"):
        plan.with_set("close=ewc:1,10")


def row_of(value: float, error: float | None) -> Measurement:
    ends = {} if error is None else {"low": value - 1.96 * error, "high": value + 1.96 * error, "level": 0.95}
    return Measurement(
        stage="tune", task="pos", model="m", corpus="c", split="dev", layer=4, method="tuned", role="estimator",
        metric="accuracy", value=value, n=90, **ends,
    )  # fmt: skip


def chosen(plan: TunePlan, dev: list[float], error: float | None = 0.02) -> TunePlan:
    """The plan that is chosen where strengths 0.1, 1, 10 ... reach such scores, with such a standard error."""
    scores = iter(dev)

    def run(one: TunePlan) -> Measurement:
        assert len(one.close) == 1
        return row_of(next(scores), error)

    return choose_strength(plan, [f"l2-sp:{10.0**power:g}" for power in range(-1, len(dev) - 1)], run)


@pytest.mark.parametrize(
    ("dev", "strength"),
    [([0.80, 0.81, 0.79], 10), ([0.80, 0.81, 0.70], 1), ([0.80, 0.70, 0.60], 0.1), ([0.70, 0.71, 0.80], 10)],
)
def test_the_greatest_within_one_standard_error_is_chosen(plan: TunePlan, dev: list[float], strength: float) -> None:
    found = chosen(plan, dev)
    assert [choice.options["strength"] for choice in found.close] == [strength]
    (why,) = [reason for reason in found.why if reason.field == "close"]
    assert why.evidence["dev"] == tuple(dev)
    assert why.evidence["strengths"] == (0.1, 1, 10)
    assert why.evidence["standard_error"] == pytest.approx(0.02)
    assert found.why[:-1] == plan.why


@pytest.mark.parametrize("close", ["distill:5,layer=2;l2-sp:0.01,0.1,1", "l2-sp:0.01,0.1,1;distill:5,layer=2"])
def test_a_greater_strength_that_stands_beside_them_is_not_compared(plan: TunePlan, close: str) -> None:
    found = choose_strength(plan, strengths_of(close), lambda one: row_of(0.8, 0.02))
    assert {choice.name: choice.options["strength"] for choice in found.close} == {"distill": 5, "l2-sp": 1}
    assert next(reason for reason in found.why if reason.field == "close").evidence["strengths"] == (0.01, 0.1, 1)


def test_a_model_may_be_held_in_one_way_at_two_places(plan: TunePlan) -> None:
    both = plan.with_set("close=distill:1,layer=1;distill:5,layer=2")
    assert [choice.options["layer"] for choice in both.close] == [1, 2]
    with pytest.raises(UsageError, match="by 'distill' twice"):
        plan.with_set("close=distill:1,layer=1;distill:5,layer=1")


def test_without_an_error_nothing_is_chosen(plan: TunePlan) -> None:
    with pytest.raises(InputError, match="too small"):
        chosen(plan, [0.5, 0.6], error=None)
