"""Modules, closeness and signals of a plan: as they are typed, in JSON, in a diff, and how the loop calls them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch
from torch import nn
from tuned_runs import assert_same, log_of, materials, plan_of, tensors_of, trainer_of

from probekit.errors import InputError, UsageError
from probekit.tuning.auxiliary.pulling import Penalty
from probekit.tuning.auxiliary.signal_module import SignalModule
from probekit.tuning.choices import typed_closeness, typed_modules, typed_signals
from probekit.tuning.closeness import CLOSENESS, Closeness
from probekit.tuning.modules import MODULES, Module
from probekit.tuning.options import NotNegative, Size
from probekit.tuning.plan import TunePlan, diff
from probekit.tuning.planning.adding import added_fields, on_frozen_blocks
from probekit.tuning.planning.draw import draw_plan
from probekit.tuning.signals import SIGNALS, Signal, SignalSpec


def _built(host: Any, *, width: Size = 16, place: str = "both") -> None: ...


class _Far(Penalty):
    """Half the squared distance from the pretrained values, by hand; and so much for every target of a batch."""

    def __init__(self, pretrained: Any, strength: float, each: float) -> None:
        self.start, self.strength, self.each, self.calls = pretrained.values(), strength, each, 0
        self.held = pretrained.feed.data.held

    def pull(self, parameters: Any) -> float:
        self.calls += 1
        value = 0.0
        for name, parameter in parameters.items():
            gap = parameter.detach() - self.start[name]
            parameter.grad += self.strength * gap
            value += self.strength / 2 * float(gap.square().sum())
        return value

    def loss(self, ran: Any) -> torch.Tensor:
        return ran.scores.sum() * 0.0 + self.each * len(ran.batch.targets)

    def counted(self, examples: Any) -> int:
        return int((self.held[examples, 1] - self.held[examples, 0]).sum())


def _far(pretrained: Any, *, strength: NotNegative = 1.0, each: NotNegative = 0.0) -> _Far:
    return _Far(pretrained, strength, each)


class _Means(SignalModule):
    """A linear map of its own pulls the mean of what the head reads to 1."""

    def __init__(self, spec: SignalSpec, count: int) -> None:
        super().__init__(spec)
        self.feed, self.count = spec.feed, count
        self.out = nn.Linear(spec.network.loaded.width, 1)

    def batches(self, seed: int, step: int) -> Sequence[Any]:
        some = self.feed.data.training
        return [self.feed.batch(some[[(seed + step + n) % len(some)]]) for n in range(self.count)]

    def loss(self, outputs: Any, batch: Any) -> torch.Tensor:
        return (self.out(outputs.states.mean((0, 1))) - 1).square().mean()


def _means(spec: SignalSpec, *, count: Size = 2) -> _Means:
    return _Means(spec, count)


PLANTED = {
    "module": (MODULES, Module("planted", _built, "nothing")),
    "closeness": (CLOSENESS, Closeness("far", _far, "half the squared distance")),
    "signal": (SIGNALS, Signal("means", _means, "means of 1")),
}


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    for registry, member in PLANTED.values():
        there = MappingProxyType({**registry.members(), member.name: member})  # type: ignore[attr-defined]
        monkeypatch.setattr(registry, "_whole", there)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("planted:16@3-6", [("planted", [3, 4, 5, 6], {"width": 16})]),
        ("planted:width=8,place=mlp@4,5", [("planted", [4, 5], {"width": 8, "place": "mlp"})]),
        ("planted@2;planted:4,both@3", [("planted", [2], {}), ("planted", [3], {"width": 4, "place": "both"})]),
        ("planted", [("planted", None, {})]),
        ("", []),
    ],
)
def test_modules_are_typed(text: str, expected: Any) -> None:
    found = typed_modules(text)
    assert [(one["name"], one["depths"], one["options"]) for one in found] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("means", [("means", [1, 1], {})]),
        ("means,means:0.2..0.1", [("means", [1, 1], {}), ("means", [0.2, 0.1], {})]),
        ("means:0.5,count=3", [("means", [0.5, 0.5], {"count": 3})]),
        ("means:count=3,means:1e-3", [("means", [1, 1], {"count": 3}), ("means", [1e-3, 1e-3], {})]),
        ("means,count=3", [("means", [1, 1], {"count": 3})]),
    ],
)
def test_signals_are_typed(text: str, expected: Any) -> None:
    found = typed_signals(text)
    assert [(one["name"], one["weight"], one["options"]) for one in found] == expected


@pytest.mark.parametrize("weight", ["-1", ".5", "nan", "0.2..a", "..1", "1..0..1"])
def test_what_is_no_weight_is_not_taken_for_an_option(weight: str) -> None:
    with pytest.raises(UsageError, match="The weight of a signal must be a number, 0 or more"):
        typed_signals(f"means:{weight}")
    assert typed_signals("means:../1.txt")[0]["options"] == {"count": "../1.txt"}  # a path of a folder above is none


def test_closeness_is_typed() -> None:
    expected = [{"name": "far", "options": {"strength": 0.5}}, {"name": "far", "options": {}}]
    assert typed_closeness("far:0.5;far") == expected
    assert added_fields(["a@1", "b@2"], ["far"], ["x,y"]) == ["modules=a@1;b@2", "close=far", "signals=x,y"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("modules=plantd@3", "module.*plant"),
        ("modules=planted:1,mlp,3@3", "'3' too many; it has width, place"),
        ("modules=planted:depth=1@3", "no option 'depth'"),
        ("modules=planted:0@3", "`width` .* from 1 to 100,000"),
        ("modules=planted@0", "`modules.depths`"),
        ("modules=planted@", "`modules.depths`"),
        ("modules=planted@5", r"modules at depths \[5\] reach above layer 4.*Change them too: modules=\.$"),
        ("modules=planted@2,5", r"Change them too: modules=planted@2\.$"),
        ("close=far:-1", "0 or more"),
        ("signals=means:-1", "weight of a signal must be a number, 0 or more"),
    ],
)
def test_what_does_not_fit_is_named(plan: TunePlan, change: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan.with_set(change)


def test_lists_are_written_read_compared_and_emptied(plan: TunePlan) -> None:
    changed = plan.with_set("modules=planted:8@2,3", "close=far", "signals=means:0.2..0.1")
    assert TunePlan.from_json(changed.to_json()) == changed
    assert changed.to_json()["modules"] == [{"name": "planted", "depths": [2, 3], "options": {"width": 8}}]
    assert diff(plan, changed) == [
        "modules: none -> planted:width=8@2,3",
        "close: none -> far",
        "signals: none -> means:0.2..0.1",
    ]
    assert changed.why[-1].text == "set by hand to means:0.2..0.1; it was none"
    assert changed.with_set("modules=", "close=", "signals=").to_json() == {
        **plan.to_json(),
        "why": changed.with_set("modules=", "close=", "signals=").to_json()["why"],
    }
    assert changed.depths == (2, 3, 4, 5)  # what trains: 3 and 4 by the plan, 2 and 3 by modules, and what is new
    assert [one.depths for one in plan.with_set("modules=planted").modules] == [(1, 2, 3, 4)]


def test_an_old_plan_has_none(document: dict[str, Any]) -> None:
    for name in ("modules", "close", "signals", "slices"):
        del document[name]
    plan = TunePlan.from_json(document)
    assert (plan.modules, plan.close, plan.signals, plan.slices) == ((), (), (), ())


def test_modules_freeze_the_blocks_unless_a_hand_says_otherwise(plan: TunePlan) -> None:
    changed = on_frozen_blocks(plan.with_set("modules=planted@4"))
    assert (changed.train, changed.depths) == ((), (4, 5))
    assert "norms too" in next(reason.text for reason in changed.why if reason.field == "train")
    assert on_frozen_blocks(plan.with_set("modules=planted@4"), ["train"]).train == (3, 4)
    assert on_frozen_blocks(plan) == plan


def test_an_empty_catalogue_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CLOSENESS, "_whole", MappingProxyType({}))
    with pytest.raises(UsageError, match=r"There is no closeness to choose from yet\. Leave out `close`"):
        typed_closeness("far")


def _trained(tmp_path: Path, *changes: str, **options: Any) -> Any:
    own = materials("bert")
    trainer = trainer_of(own, plan_of(own, "top:1", "loop.epochs=1", *changes), tmp_path, **options)
    trainer.fit()
    return trainer


def test_a_penalty_is_added_once_a_step_and_logged_by_its_name(tmp_path: Path) -> None:
    one = _trained(tmp_path / "one", "close=far:3")
    rows = [row for row in log_of(tmp_path / "one") if "loss" in row]
    assert [rows[0]["losses"]["far"] > 0, rows[-1]["losses"]["far"] > 0] == [False, True]
    assert all(math.isclose(row["loss"], sum(row["losses"].values())) for row in rows)
    assert one.terms._penalties["far"].calls == len(rows)


def test_a_penalty_of_batches_is_a_mean_over_the_step(tmp_path: Path) -> None:
    """However many micro-batches there are."""
    _trained(tmp_path, "close=far:0,each=2", "loop.accumulate=3")
    rows = [row for row in log_of(tmp_path) if "loss" in row]
    assert [row["losses"]["far"] for row in rows] == pytest.approx([2.0] * len(rows))


def test_a_strong_penalty_holds_the_weights_and_none_is_plain_training(tmp_path: Path) -> None:
    plain, none, strong = (
        _trained(tmp_path / name, "loop.weight_decay=0", *changes)
        for name, changes in (("plain", ()), ("none", ("close=far:0",)), ("strong", ("close=far:1000",)))
    )
    assert_same(tensors_of(plain.network), tensors_of(none.network))

    def moved(trainer: Any) -> float:
        start = materials("bert").loaded.model.state_dict()
        own = trainer.network.body.state_dict()
        return float(sum((own[name] - start[name]).square().sum() for name in own if own[name].is_floating_point()))

    assert moved(strong) < moved(plain) / 2


def test_a_signal_trains_what_is_its_own_and_what_is_below(tmp_path: Path) -> None:
    trainer = _trained(tmp_path, "signals=means:0.5..0.1", "loop.epochs=2")
    rows = [row["losses"]["means"] for row in log_of(tmp_path) if "losses" in row]
    assert rows[-1] < rows[0]
    own = [name for name in trainer.network.named(trainer.plan.keep + 1) if name.startswith("signals.")]
    assert own == ["signals.means.out.weight", "signals.means.out.bias"]
    assert not [name for name in trainer.network.new_tensors() if "signals" in name]
    signal = trainer.terms.signals["means"]
    assert [signal.weight(0), signal.weight(trainer.total - 1)] == pytest.approx([0.5, 0.1])


def test_a_signal_of_no_weight_is_plain_training(tmp_path: Path) -> None:
    plain, none = _trained(tmp_path / "plain"), _trained(tmp_path / "none", "signals=means:0")
    bodies = [trainer.network.body.state_dict() for trainer in (plain, none)]
    assert all(torch.equal(bodies[0][name], bodies[1][name]) for name in bodies[0])


def test_a_wrong_list_in_a_file_is_named_with_the_file(document: dict[str, Any]) -> None:
    document["modules"] = [{"name": "planted", "depths": [3], "options": {"widht": 3}}]
    with pytest.raises(InputError, match=r"mine\.json.*no option 'widht'.*Did you mean 'width'"):
        TunePlan.from_json(document, where="mine.json")


def test_the_picture_of_a_plan_says_which_rows_are_of_modules_alone(plan: TunePlan) -> None:
    def title(own: TunePlan) -> str:
        ax = draw_plan(own)
        return "\n".join(text.get_text() for text in [*ax.texts, ax.title, *ax.figure.texts])

    both = title(plan.with_set("modules=planted:8@2,4"))
    assert "planted:width=8@2,4; nothing else trains in 2" in both
    assert "planted" not in title(plan)
