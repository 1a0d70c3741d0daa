"""Closeness in a plain ``transformers.Trainer``: the steps it takes are those of a loop written by hand."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from test_trainer import Sentences, loaded, run

from probekit.tuning.auxiliary.fisher import diagonal_fisher, label_terms
from probekit.tuning.auxiliary.pulling import divergence
from probekit.tuning.trainer_closeness import CloseCallback, DistillCallback

Named = dict[str, torch.Tensor]


def without_dropout() -> Any:
    model, _ = loaded("bert")
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def far(model: Any, start: Named) -> float:
    return float(
        sum((value.detach() - start[name]).square().sum() for name, value in model.base_model.named_parameters())
    )


def start_of(model: Any) -> Named:
    return {name: value.detach().clone() for name, value in model.base_model.named_parameters()}


def by_hand(model: Any, penalty: Any, *, times: int = 1, steps: int = 2, rate: float = 0.1) -> Named:
    """Plain gradient descent on all sentences with a penalty in the loss."""
    rows = [Sentences()[i] for i in range(8)]
    batch = {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
    model.train()
    for _ in range(steps):
        model.zero_grad()
        (times * model(**batch).loss + penalty(model, batch)).backward()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter -= rate * parameter.grad
    return {name: value.detach() for name, value in model.named_parameters()}


def trained(model: Any, callback: Any, tmp_path: Path, **options: Any) -> Named:
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    run(
        model,
        tmp_path,
        callback,
        optimizers=(sgd, torch.optim.lr_scheduler.ConstantLR(sgd, factor=1.0)),
        **{"per_device_train_batch_size": 8, "max_steps": 2, "max_grad_norm": 0.0, **options},
    )
    return {name: value.detach() for name, value in model.named_parameters()}


def assert_close(one: Named, other: Named) -> None:
    assert max(float((value - other[name]).abs().max()) for name, value in one.items()) < 1e-5


@pytest.mark.parametrize("weighted", [False, True])
def test_a_penalty_on_weights_is_that_of_the_loss(weighted: bool, tmp_path: Path) -> None:
    model = without_dropout()
    start, importance = start_of(model), None
    if weighted:
        rows = [{name: value[None] for name, value in Sentences()[i].items()} for i in range(2)]
        terms = (label_terms(model(**row).logits) for row in rows)
        importance = diagonal_fisher(terms, dict(model.base_model.named_parameters()))
    strength = 50.0 if weighted else 0.5

    def penalty(own: Any, batch: Any) -> torch.Tensor:
        gaps = {name: (value - start[name]).square() for name, value in own.base_model.named_parameters()}
        return strength / 2 * sum((gap if importance is None else gap * importance[n]).sum() for n, gap in gaps.items())

    expected = by_hand(copy.deepcopy(model), penalty)
    callback = CloseCallback(model, strength=strength, importance=importance)
    assert_close(trained(model, callback, tmp_path), expected)
    assert callback.penalty > 0


@pytest.mark.parametrize(("answers", "parts", "divides"), [(False, 1, True), (True, 2, True), (True, 2, False)])
def test_distillation_is_that_of_the_loss(answers: bool, parts: int, divides: bool, tmp_path: Path) -> None:
    """Several batches a step, too, whether the trainer divides their losses or leaves that to the model."""
    model = without_dropout()
    model.accepts_loss_kwargs = not divides
    source = copy.deepcopy(model).eval()
    with torch.no_grad():  # a source elsewhere, so that there is something to hold from the first step
        for parameter in source.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))

    def says(base: Any) -> torch.Tensor:
        scores: torch.Tensor = source.classifier(base[1])
        return scores

    def penalty(own: Any, batch: Any) -> torch.Tensor:
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        old, new = source.base_model(**inputs), own.base_model(**inputs)
        if answers:
            return 3.0 * divergence(says(old), says(new), 2.0) / 8
        off = (new[0] - old[0].detach()).square().sum(-1) / old[0].detach().square().sum(-1)
        return 3.0 * off.mean()

    # BERT's own loss is the mean of a batch, which the trainer then takes for the share of a step.
    expected = by_hand(copy.deepcopy(model), penalty, times=1 if divides else parts)
    callback = DistillCallback(model, source, strength=3.0, says=says if answers else None)
    cut = {"per_device_train_batch_size": 8 // parts, "gradient_accumulation_steps": parts}
    assert_close(trained(model, callback, tmp_path, **cut), expected)
    assert callback.penalty > 0
    assert not model._forward_hooks
    assert not model.base_model._forward_hooks


def test_it_keeps_a_model_near(tmp_path: Path) -> None:
    found = []
    for strength in (0.0, 1.0):
        model = without_dropout()
        start = start_of(model)
        run(model, tmp_path, CloseCallback(model, strength=strength), num_train_epochs=5)
        found.append(far(model, start))
    assert found[1] < found[0] / 2
    assert isinstance(CloseCallback(model, strength=1.0), transformers.TrainerCallback)


def test_callbacks_follow_a_model_that_the_trainer_moves() -> None:
    model, source = without_dropout(), without_dropout()
    fisher = {name: torch.ones_like(value) for name, value in start_of(model).items()}
    pull, held = CloseCallback(model, strength=1.0, importance=fisher), DistillCallback(model, source)
    model.to("meta")  # any device but that of the start
    given: Any = (transformers.TrainingArguments("unused", use_cpu=True), None, None)
    pull.on_train_begin(*given, model=model)
    held.on_train_begin(*given, model=model)
    held.on_train_end(*given)
    kept = [*pull._penalty.start.values(), *(pull._penalty.importance or {}).values(), *source.parameters()]
    assert {value.device.type for value in kept} == {"meta"}
