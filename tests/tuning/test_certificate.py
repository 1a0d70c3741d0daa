"""What moved is what the plan names, or the run stops and says which parameters differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tuned_runs import materials, plan_of, tensors_of, trainer_of

from probekit.errors import NumericError, UsageError
from probekit.tuning.training.certificate import digests, never_moved, pulls
from probekit.tuning.training.loop import Trainer

BIAS = "body.encoder.layer.1.output.dense.bias"


def trainer(folder: Path, *changes: str, family: str = "bert", name: str = "top:1") -> Trainer:
    own = materials(family)
    return trainer_of(own, plan_of(own, name, *changes), folder)


def beside(trainer: Trainer, deed: Any, at: int = 0) -> None:
    """Do something behind the optimizer's back at one step."""
    step, count = trainer.optimizer.step, 0

    def both(*args: Any) -> None:
        nonlocal count
        count += 1
        if count == at + 1:
            deed(step)
        else:
            step(*args)

    trainer.optimizer.step = both  # type: ignore[method-assign,assignment]


def test_a_frozen_parameter_that_moves_is_named(tmp_path: Path) -> None:
    own = trainer(tmp_path)

    def deed(step: Any) -> None:
        step()
        own.network.get_parameter(BIAS).data[0] += 1e-3

    beside(own, deed)
    with pytest.raises(NumericError, match=rf"(?s)depths 3, 4\): 1 moved that are frozen: {BIAS}\. The run is stopped"):
        own.fit()


def test_one_that_moves_later_is_found_at_the_end(tmp_path: Path) -> None:
    own = trainer(tmp_path)

    def deed(step: Any) -> None:
        own.network.get_parameter(BIAS).data[0] += 1e-3
        step()

    beside(own, deed, at=4)
    with pytest.raises(NumericError, match=rf"1 frozen parameters or buffers changed during training: {BIAS}"):
        own.fit()


def test_one_that_trains_and_does_not_move_is_named(tmp_path: Path) -> None:
    own = trainer(tmp_path)
    stuck = own.network.get_parameter("body.encoder.layer.2.output.dense.bias")

    def deed(step: Any) -> None:
        kept = stuck.detach().clone()
        step()
        stuck.data.copy_(kept)

    beside(own, deed)
    with pytest.raises(NumericError, match=r"1 did not move: body\.encoder\.layer\.2\.output\.dense\.bias"):
        own.fit()


def test_a_depth_that_was_left_out_of_the_optimizer_is_named(tmp_path: Path) -> None:
    own = trainer(tmp_path)
    for group in own.optimizer.param_groups:
        if group["depth"] == 3:
            group["params"] = []
    with pytest.raises(NumericError, match=r"did not move: .*; nothing at depth 3 moved"):
        own.fit()


def test_a_buffer_that_changes_is_named(tmp_path: Path) -> None:
    own = trainer(tmp_path)
    own.network.body.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def deed(step: Any) -> None:
        step()
        own.network.get_buffer("body.count").add_(1)

    beside(own, deed)
    with pytest.raises(NumericError, match=r"1 moved that are frozen: body\.count"):
        own.fit()


@pytest.mark.parametrize("schedule", ["chain-thaw", "gradual:epochs_each=0.5"])
def test_each_stage_is_certified(schedule: str, tmp_path: Path) -> None:
    own = trainer(tmp_path, f"schedule={schedule}", "loop.epochs=3", name="full")
    first = tensors_of(own.network)
    fitted = own.fit()
    for stage in fitted.stages:
        parameters = sum(len(own.network.named(depth)) for depth in stage.depths)
        assert stage.moved + len(stage.still) == parameters
    assert len({stage.depths for stage in fitted.stages}) == len(fitted.stages) > 3
    assert fitted.frozen == len(first) - sum(len(own.network.named(depth)) for depth in range(5))


def test_a_wrong_freeze_in_a_later_stage_is_named(tmp_path: Path) -> None:
    own = trainer(tmp_path, "schedule=chain-thaw", "loop.epochs=6", name="full")
    head = own.network.get_parameter("head.layers.1.bias")
    own.network.set_trained(frozenset({4}))

    def deed(step: Any) -> None:
        head.grad = torch.zeros_like(head)  # as zero_grad(set_to_none=False) leaves it: Adam moves it on
        step()

    beside(own, deed, at=len(own.epochs[0]))
    with pytest.raises(NumericError, match=r"1 moved that are frozen: head\.layers\.1\.bias"):
        own.fit()


def test_a_warm_up_too_slow_to_move_a_number_is_not_taken_for_a_freeze(tmp_path: Path) -> None:
    own = trainer(tmp_path, "rate=warmup-linear:warmup=0.5", "rate.peak=1e-7", "rate.head_peak=1e-3", name="full")
    for name, parameter in own.network.named_parameters():
        if name.endswith("LayerNorm.weight"):
            parameter.data.fill_(1.0)
    fitted = own.fit()
    assert any(name.endswith("LayerNorm.weight") for name in fitted.stages[0].still)


@pytest.mark.parametrize(
    ("rate", "grad", "moves"), [(1e-3, 1.0, True), (1e-9, 1.0, False), (1e-3, 1e-16, False), (1e-3, 0.0, False)]
)
def test_what_must_move(rate: float, grad: float, moves: bool) -> None:
    parameter = torch.nn.Parameter(torch.ones(3))
    assert not pulls(parameter, rate)
    parameter.grad = torch.full((3,), grad)
    assert pulls(parameter, rate) is moves
    before = parameter.detach().clone()
    torch.optim.AdamW([parameter], lr=rate, weight_decay=0).step()
    assert torch.equal(before, parameter) is not moves


def test_what_must_move_behind_a_step_before_is_known_from_its_moments() -> None:
    """A slope that turns is averaged away: at such a rate the first step moves a number, and the second does not."""
    parameter = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = torch.optim.AdamW([parameter], lr=0.0, weight_decay=0)
    parameter.grad = torch.tensor([1.0])
    assert pulls(parameter, 2e-7)
    optimizer.step()
    parameter.grad = torch.tensor([-0.8])
    before = parameter.detach().clone()
    assert not pulls(parameter, 2e-7, optimizer.state[parameter])
    assert pulls(parameter, 1e-3, optimizer.state[parameter])
    optimizer.param_groups[0]["lr"] = 2e-7
    optimizer.step()
    assert torch.equal(before, parameter)


def test_a_depth_that_is_too_slow_at_first_is_certified_when_it_moves(tmp_path: Path) -> None:
    own = trainer(tmp_path / "late", "rate=slanted-triangular:ratio=1e9,cut_fraction=0.9", name="full")
    fitted = own.fit()
    assert fitted.stages[-1].moved
    assert never_moved(own.network, fitted.stages) == []


def test_a_depth_that_could_never_move_is_refused_before_anything_trains(tmp_path: Path) -> None:
    own = trainer(tmp_path, "rate.depth_factor=1e-30", name="full")
    first = tensors_of(own.network)
    with pytest.raises(UsageError, match=r"never move: 0 at 3e-93.*Raise rate\.peak or rate\.depth_factor, or leave"):
        own.fit()
    assert all(torch.equal(first[name], value) for name, value in own.network.tensors())


def test_blocks_that_share_their_parameters_train_as_one(tmp_path: Path) -> None:
    fitted = trainer(tmp_path, family="albert", name="full").fit()
    assert fitted.stages[0].depths == (0, 1, 2, 3, 4)
    own = materials("albert")
    with pytest.raises(UsageError, match=r"trains depth 3 .* whose parameters are those of depth 1, which it freezes"):
        plan_of(own, "top:1").check(own.facts, "pos")


def test_a_digest_is_of_every_number(tmp_path: Path) -> None:
    own = trainer(tmp_path).network
    before = digests(own)
    assert set(before) == set(tensors_of(own))
    name = next(iter(dict(own.named_parameters())))
    own.get_parameter(name).data.view(-1)[-1] += 1e-3
    assert [one for one, value in digests(own).items() if value != before[one]] == [name]
