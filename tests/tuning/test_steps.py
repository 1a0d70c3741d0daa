"""A step is the mean over its targets however it is cut; a run is a function of its seed, and of nothing of test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tuned_runs import assert_same, log_of, losses, materials, plan_of, tensors_of, trainer_of

from probekit.errors import NumericError, ResourceError
from probekit.tuning.training.loop import Trainer


def gradients(trainer: Trainer, micros: list[Any]) -> tuple[float, dict[str, torch.Tensor]]:
    trainer.network.set_trained(frozenset(trainer.plan.depths))
    trainer.optimizer.zero_grad(set_to_none=True)
    losses, _ = trainer._accumulate(micros)
    named = trainer.network.named_parameters()
    return losses["task"], {name: one.grad.clone() for name, one in named if one.grad is not None}


@pytest.mark.parametrize("head", ["linear:dropout=0", "crf:dropout=0"])
@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_small_batches_are_one_large_one(family: str, head: str, tmp_path: Path) -> None:
    own = materials(family)
    trainer = trainer_of(own, plan_of(own, "full", f"head={head}"), tmp_path, dropout=False)
    some = own.data.training[:11]
    whole, expected = gradients(trainer, [some])
    by_size = some[np.argsort(own.data.sizes[some])]
    for cuts in ([some[:1], some[1:4], some[4:]], [by_size[:9], by_size[9:]]):
        loss, found = gradients(trainer, cuts)
        assert loss == pytest.approx(whole, rel=1e-5)
        assert set(found) == set(expected)
        for name, grad in expected.items():
            torch.testing.assert_close(found[name], grad, rtol=1e-4, atol=1e-6)


def test_a_step_clips_once(tmp_path: Path) -> None:
    own = materials()
    runs = {}
    for name, tokens, accumulate in (("large", 100_000, 1), ("small", 24, 1000)):
        changes = ("loop.clip=0.05", f"loop.batch_tokens={tokens}", f"loop.accumulate={accumulate}")
        trainer = trainer_of(own, plan_of(own, "full", *changes), tmp_path / name, dropout=False)
        trainer.fit()
        rows = [row for row in log_of(tmp_path / name) if "loss" in row]
        assert len(rows) == 2
        runs[name] = (rows, tensors_of(trainer.network))
    for one, other in zip(runs["large"][0], runs["small"][0], strict=True):
        assert one["norm"] == pytest.approx(other["norm"], rel=1e-3)
        assert one["norm"] > 0.05
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert one["tokens"] == other["tokens"]


def test_a_seed_gives_the_same_run_and_leaves_the_global_numbers_alone(tmp_path: Path) -> None:
    own = materials()
    torch.manual_seed(3)
    before, numbers = torch.random.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    found = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        trainer = trainer_of(own, plan_of(own, "full", "loop.epochs=1", f"loop.seed={seed}"), tmp_path / name)
        trainer.fit()
        found[name] = tensors_of(trainer.network)
    assert log_of(tmp_path / "a") == log_of(tmp_path / "b")
    assert_same(found["a"], found["b"])
    assert losses(tmp_path / "a")[0] != losses(tmp_path / "c")[0]
    assert not torch.equal(found["a"]["head.layers.1.weight"], found["c"]["head.layers.1.weight"])
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.random.get_state()[1].tolist() == numbers  # noqa: NPY002


def test_labels_of_test_choose_nothing(tmp_path: Path) -> None:
    own = materials()
    test = own.data.table.part("test")
    gold = own.data.gold.copy()
    gold[test] = np.random.default_rng(0).permutation(gold[test])
    assert (gold != own.data.gold).any()
    found = {}
    for name, data in (("own", own.data), ("other", replace(own.data, gold=gold))):
        trainer = trainer_of(own, plan_of(own, "top:1"), tmp_path / name, data=data)
        trainer.fit()
        found[name] = (
            tensors_of(trainer.network),
            trainer.predicted("test"),
            trainer.dev.value(trainer.predicted("dev")),
        )
    assert log_of(tmp_path / "own") == log_of(tmp_path / "other")
    assert_same(found["own"][0], found["other"][0])
    assert (found["own"][1] == found["other"][1]).all()
    assert found["own"][2] == found["other"][2]


def test_the_last_step_has_the_last_rate(tmp_path: Path) -> None:
    own = materials()
    plan = plan_of(own, "head-only", "rate=slanted-triangular:ratio=32", "loop.epochs=6")
    trainer = trainer_of(own, plan, tmp_path)
    trainer.fit()
    rows = [row for row in log_of(tmp_path) if "loss" in row]
    assert len(rows) == trainer.total
    assert rows[-1]["rates"]["4"] == pytest.approx(trainer.course.rates_at(trainer.total - 1, trainer.total)[4])
    assert max(row["rates"]["4"] for row in rows) > 5 * rows[-1]["rates"]["4"]


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    own = materials()
    trainer = trainer_of(own, plan_of(own), tmp_path, minutes=0)
    step, count = trainer._accumulate, 0

    def broken(micros: Any) -> tuple[dict[str, float], int]:
        nonlocal count
        count += 1
        losses, tokens = step(micros)
        return ({"task": float("nan")} if count == 5 else losses), tokens

    trainer._accumulate = broken  # type: ignore[method-assign]
    with pytest.raises(NumericError, match=r"loss of step 4 \(epoch 1\) is nan, at rates of up to 0.003") as raised:
        trainer.fit()
    assert raised.value.exit_code == 5
    assert f"The last checkpoint, {tmp_path / 'checkpoint-00000004'}, is kept." in str(raised.value)
    assert [place.name for place in tmp_path.glob("checkpoint-*")] == ["checkpoint-00000004"]
    trainer_of(own, plan_of(own), tmp_path).fit()
    trainer_of(own, plan_of(own), tmp_path / "other").fit()
    assert log_of(tmp_path) == log_of(tmp_path / "other")


def test_a_gradient_that_is_not_finite_reaches_no_parameter(tmp_path: Path) -> None:
    own = materials()
    trainer = trainer_of(own, plan_of(own), tmp_path, minutes=0)
    step, count = trainer._accumulate, 0

    def broken(micros: Any) -> tuple[dict[str, float], int]:
        nonlocal count
        count += 1
        done = step(micros)
        if count == 3:
            next(iter(trainer.network.named(2).values())).grad.view(-1)[0] = float("inf")  # type: ignore[union-attr]
        return done

    trainer._accumulate = broken  # type: ignore[method-assign]
    with pytest.raises(NumericError, match="norm of the gradient of step 2"):
        trainer.fit()
    assert all(tensor.isfinite().all() for tensor in tensors_of(trainer.network).values())


def test_predictions_that_are_not_finite_are_no_predictions(tmp_path: Path) -> None:
    own = materials()
    trainer = trainer_of(own, plan_of(own, "head-only"), tmp_path)
    with torch.no_grad():
        trainer.network.head.layers[1].weight[0, 0] = float("nan")  # type: ignore[index,union-attr,operator]
    with pytest.raises(NumericError, match="not finite"):
        trainer.predicted("dev")


def short_of_memory(trainer: Trainer, most: int) -> list[int]:
    """Let batches of more than so many examples not fit."""
    run, sizes = trainer.feed.run, []

    def bounded(batch: Any) -> Any:
        if len(batch.padded.ids) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(batch.padded.ids))
        return run(batch)

    trainer.feed.run = bounded  # type: ignore[method-assign]
    return sizes


def test_out_of_memory_cuts_batches_and_says_so(tmp_path: Path) -> None:
    own = materials()
    told: list[str] = []
    plan = plan_of(own, "full", "loop.batch_tokens=96")
    trainer = trainer_of(own, plan, tmp_path / "short", dropout=False, told=told.append)
    sizes = short_of_memory(trainer, 3)
    fitted = trainer.fit()
    trainer_of(own, plan, tmp_path / "whole", dropout=False).fit()
    assert losses(tmp_path / "short") == pytest.approx(losses(tmp_path / "whole"), rel=1e-3)
    assert max(sizes) <= 3
    assert fitted.halved >= 1
    assert any("Out of memory at step" in note and "cut into" in note for note in told)


def test_memory_that_one_example_does_not_fit_into_is_an_error(tmp_path: Path) -> None:
    own = materials()
    trainer = trainer_of(own, plan_of(own), tmp_path)
    short_of_memory(trainer, 0)
    with pytest.raises(
        ResourceError, match=r"does not fit into memory with one example a batch \(of the task\)\."
    ) as raised:
        trainer.fit()
    assert raised.value.exit_code == 6


def test_half_precision_trains(tmp_path: Path) -> None:
    own = materials()
    for precision in ("float32", "bfloat16"):
        trainer_of(own, plan_of(own, "full", f"loop.precision={precision}"), tmp_path / precision, dropout=False).fit()
    assert losses(tmp_path / "bfloat16") == pytest.approx(losses(tmp_path / "float32"), abs=0.05)
    assert losses(tmp_path / "bfloat16") != losses(tmp_path / "float32")
