"""What is frozen stays bit for bit, draws no dropout and has no gradient, across every boundary of stages."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from tuned_runs import assert_same, log_of, materials, plan_of, tensors_of, trainer_of

from probekit.tuning.training.loop import Trainer
from probekit.tuning.training.run import run_plan
from probekit.tuning.training.state import TrainingState
from probekit.tuning.tune import plan_for

SCHEDULES = ("chain-thaw", "sequential", "gradual:epochs_each=0.5", "top")


def watched(trainer: Trainer) -> list[tuple[frozenset[int], dict[str, Any], dict[str, Any]]]:
    """Let a trainer note which depths each step trains, and every tensor from before and behind it."""
    steps: list[tuple[frozenset[int], dict[str, Any], dict[str, Any]]] = []
    step = trainer._step

    def noted(micros: Any, depths: frozenset[int]) -> Any:
        before = tensors_of(trainer.network)
        done = step(micros, depths)
        steps.append((depths, before, tensors_of(trainer.network)))
        return done

    trainer._step = noted  # type: ignore[method-assign]
    return steps


@pytest.mark.parametrize("family", ["bert", "gpt2"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_what_a_step_does_not_train_is_equal_bit_for_bit(family: str, schedule: str, tmp_path: Path) -> None:
    own = materials(family)
    plan = plan_of(own, "full", "loop.epochs=3", f"schedule={schedule}", "loop.weight_decay=0.1")
    trainer = trainer_of(own, plan, tmp_path)
    steps = watched(trainer)
    trainer.fit()
    stages = {depths for depths, _, _ in steps}
    assert len(stages) == len(trainer.state.stages) >= (1 if schedule == "top" else 3)
    for depths, before, after in steps:
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        trained = {name for depth in depths for name in trainer.network.named(depth)}
        assert moved <= trained
        for depth in depths:
            assert moved & set(trainer.network.named(depth))
    for (_, _, after), (_, before, _) in pairwise(steps):
        assert_same(after, before)


def test_nothing_below_the_lowest_that_trains_has_a_gradient(tmp_path: Path) -> None:
    own = materials()
    trainer = trainer_of(own, plan_of(own, "full", "loop.epochs=3", "schedule=chain-thaw"), tmp_path)
    optimizer = trainer.optimizer
    seen = []
    step = optimizer.step

    def looked(*args: Any) -> Any:
        for depth in range(trainer.network.keep + 2):
            for name, parameter in trainer.network.named(depth).items():
                assert (parameter.grad is not None) is (depth in trainer.network.trained), name
        assert all(one.grad is None for one in trainer.network.depths.unused.values())
        seen.append(trainer.network.trained)
        return step(*args)

    optimizer.step = looked  # type: ignore[method-assign]
    trainer.fit()
    assert len(set(seen)) == 6


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_what_is_frozen_is_in_evaluation_mode_and_what_trains_is_not(family: str, tmp_path: Path) -> None:
    own = materials(family)
    network = trainer_of(own, plan_of(own), tmp_path).network
    blocks = network.loaded.stacks[0].blocks.outputs
    run = {module for depth in network._by_depth for module in depth}
    for depths in (frozenset({4}), frozenset({3, 4}), frozenset({2}), frozenset({0, 1, 2, 3, 4})):
        network.set_trained(depths)
        for depth, block in enumerate(blocks, 1):
            assert {module.training for module in block.modules() if module in run} == {depth in depths}
            assert not any(isinstance(module, torch.nn.LayerNorm) for module in set(block.modules()) - run)
        assert {module.training for module in network.head.modules()} == {4 in depths}
        dropouts = [m for m in network.body.modules() if isinstance(m, torch.nn.Dropout)]
        below = [m for m in dropouts if not any(m is inner for block in blocks for inner in block.modules())]
        assert below
        assert {module.training for module in below} == {0 in depths}
        network.set_dropout(False)
        assert not any(module.training for module in network.modules())
        network.set_dropout(True)
        assert any(module.training for module in network.modules())


def test_moments_of_what_trained_survive_an_unfreezing(tmp_path: Path) -> None:
    own = materials()
    plan = plan_of(own, "full", "schedule=gradual:epochs_each=0.3")
    trainer = trainer_of(own, plan, tmp_path)
    steps = watched(trainer)
    trainer.fit()
    for depth in plan.depths:
        count = sum(depth in depths for depths, _, _ in steps)
        assert count
        for parameter in trainer.network.named(depth).values():
            assert trainer.optimizer.state[parameter]["step"] == count


def test_dropout_is_a_function_of_seed_and_step(tmp_path: Path) -> None:
    own = materials()
    drawn: dict[str, list[float]] = {}
    for name, seed, before in (("a", 0, 0), ("b", 0, 5), ("c", 1, 0)):
        trainer = trainer_of(own, plan_of(own, "full", f"loop.seed={seed}"), tmp_path / name)
        trainer.network.set_trained(frozenset({0, 1, 2, 3, 4}))
        torch.manual_seed(before)
        torch.rand(before + 1)
        drawn[name] = []
        micros = [own.data.training[:4]]
        for step in (0, 1, 7, 0):
            trainer.state = TrainingState()
            object.__setattr__(trainer.state.at, "step", step)
            drawn[name].append(trainer._accumulate(micros)[0]["task"])
    assert drawn["a"] == drawn["b"]
    assert drawn["a"][0] == drawn["a"][3] != drawn["a"][1]
    assert len(set(drawn["a"])) == 3


def test_the_best_on_dev_is_whole_though_deeper_depths_trained_only_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = materials()
    trainer = trainer_of(own, plan_of(own, "full", "loop.epochs=4", "schedule=gradual"), tmp_path)
    said = iter([0.9, 0.5, 0.4, 0.3])
    kept: list[dict[str, torch.Tensor]] = []

    def value(predicted: Any) -> float:
        kept.append(tensors_of(trainer.network))
        return next(said)

    monkeypatch.setattr(trainer.dev, "value", value)
    fitted = trainer.fit()
    assert fitted.at.best_epoch == 1
    assert_same(tensors_of(trainer.network), kept[0])
    assert any(not torch.equal(kept[0][name], kept[3][name]) for name in trainer.network.named(2))


def test_it_stops_where_dev_does_not_get_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = materials()
    trainer = trainer_of(own, plan_of(own, "head-only", "loop.epochs=9", "loop.patience=2"), tmp_path)
    said = iter([0.5, 0.6, 0.6, 0.1])
    monkeypatch.setattr(trainer.dev, "value", lambda predicted: next(said))
    fitted = trainer.fit()
    assert fitted.stopped
    assert (fitted.at.epoch, fitted.at.best_epoch, fitted.at.best) == (4, 2, 0.6)
    assert [row["dev"]["accuracy"] for row in log_of(tmp_path) if "dev" in row] == [0.5, 0.6, 0.6, 0.1]


def test_blocks_that_share_their_parameters_have_one_turn(tmp_path: Path) -> None:
    own = materials("albert")
    plan = plan_for(own, "full", changes=("schedule=chain-thaw", "loop.epochs=4", "head=linear"))
    assert plan.train == (0, 1)
    assert any(r.field == "train" and "depths 2, 3 of 'albert' own no parameters" in r.text for r in plan.why)
    assert plan.without_shared(own.facts) is plan
    run = run_plan(own, replace(plan, train=(0, 1, 2, 3)), tmp_path)  # as somebody may have written it
    stages = json.loads((run.folder / "certificate.json").read_text())["stages"]
    assert [stage["depths"] for stage in stages] == [[4], [0], [1], [0, 1, 4]]
    assert all(stage["moved"] for stage in stages)
