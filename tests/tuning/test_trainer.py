"""Schedules and rates in a plain ``transformers.Trainer``: what moves at each step is what the schedule says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tiny_models import tiny_model
from torch.utils.data import Dataset

from probekit.errors import UsageError
from probekit.models.sources.find import find_model
from probekit.models.sources.weights import quiet
from probekit.tuning.groups import Depths, depths_of
from probekit.tuning.rates import get_rate
from probekit.tuning.schedules import get_schedule
from probekit.tuning.trainer import ScheduleCallback, depth_optimizer

TOP = 4
"""Three blocks, and what is new above them."""


class Sentences(Dataset[dict[str, torch.Tensor]]):
    """Eight random sentences, half of each class."""

    def __init__(self) -> None:
        self.ids = torch.randint(5, 90, (8, 6), generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return 8

    def __getitem__(self, i: int) -> dict[str, torch.Tensor]:
        return {
            "input_ids": self.ids[i],
            "attention_mask": torch.ones(6, dtype=torch.long),
            "labels": torch.tensor(i % 2),
        }


class Watch(transformers.TrainerCallback):
    """Notes at every step which parameters moved, the rates, and which parameters had a gradient."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.moved: list[set[str]] = []
        self.rates: list[list[float]] = []
        self.pulled: list[set[str]] = []
        self.dropping: list[set[str]] = []
        self.before = self.now()
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.Dropout):
                module.register_forward_hook(self.dropped(name))
        self.drops: set[str] = set()

    def dropped(self, name: str) -> Any:
        return lambda module, *_: self.drops.add(name) if module.training else None

    def now(self) -> dict[str, torch.Tensor]:
        return {name: parameter.detach().clone() for name, parameter in self.model.named_parameters()}

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, *, optimizer: Any, **_: Any) -> None:
        self.rates.append([group["lr"] for group in optimizer.param_groups])
        self.pulled.append({name for name, value in self.model.named_parameters() if value.grad is not None})

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        after = self.now()
        self.moved.append({name for name, value in after.items() if not torch.equal(value, self.before[name])})
        self.before = after
        self.dropping.append(self.drops)
        self.drops = set()


def loaded(kind: str) -> tuple[Any, Depths]:
    folder = tiny_model(kind)
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    model.config.pad_token_id = 0
    return model, depths_of(find_model(folder).load(device="cpu"))


def run(model: Any, tmp_path: Path, *callbacks: Any, optimizers: Any = (None, None), **options: Any) -> Watch:
    watch = Watch(model)
    args = transformers.TrainingArguments(
        str(tmp_path), use_cpu=True, report_to="none", save_strategy="no", disable_tqdm=True, logging_strategy="no",
        **{"per_device_train_batch_size": 4, "learning_rate": 1e-3, "lr_scheduler_type": "constant", **options},
    )  # fmt: skip
    with quiet():
        transformers.Trainer(
            model, args, train_dataset=Sentences(), optimizers=optimizers, callbacks=[*callbacks, watch]
        ).train()
    return watch


def depth_by_name(model: Any, depths: Depths) -> dict[str, int]:
    own = {id(parameter): name for name, parameter in model.named_parameters()}
    found = dict.fromkeys(own.values(), TOP)
    for group in depths.groups:
        found |= {own[id(model.base_model.get_parameter(name))]: group.depth for name in group.parameters}
    return found


def planned(schedule: str, epochs: int) -> list[frozenset[int]]:
    """The depths that train at each step, two an epoch."""
    trains = get_schedule(schedule).bind(epochs, {})
    return [trains(range(TOP + 1), step / 2) for step in range(2 * epochs)]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Depths, Any, Watch]:
    """A run with a schedule and with rates, as the three lines have it."""
    model, depths = loaded("bert")
    optimizers = depth_optimizer(
        model, depths, steps=10, rate="warmup-linear:warmup=0.2", peak=1e-3, head_peak=1e-2, depth_factor=0.5
    )
    groups = optimizers[0].param_groups
    callback = ScheduleCallback(model, depths, "gradual")
    watch = run(model, tmp_path_factory.mktemp("run"), callback, optimizers=optimizers, num_train_epochs=5)
    return model, depths, groups, watch


def check(model: Any, depths: Depths, watch: Watch, expected: list[frozenset[int]], *, idle: int = 0) -> None:
    depth = depth_by_name(model, depths)
    assert [{depth[name] for name in pulled} for pulled in watch.pulled] == expected
    assert [{depth[name] for name in moved} for moved in watch.moved][idle:] == expected[idle:]
    for moved, trained in zip(watch.moved[idle:], expected[idle:], strict=True):
        # A bias that cancels need not move.
        assert len(moved) > 0.8 * sum(value in trained for value in depth.values())


def test_at_each_step_the_depths_of_the_schedule_move_and_no_others(both: tuple[Any, Depths, Any, Watch]) -> None:
    model, depths, _, watch = both
    check(model, depths, watch, planned("gradual", 5), idle=1)  # warm-up begins at a rate of 0


def test_what_is_frozen_again_stands_still(tmp_path: Path) -> None:
    model, depths = loaded("gpt2")
    watch = run(model, tmp_path, ScheduleCallback(model, depths, "chain-thaw"), num_train_epochs=6)
    check(model, depths, watch, planned("chain-thaw", 6))


def test_what_is_frozen_draws_no_dropout(both: tuple[Any, Depths, Any, Watch]) -> None:
    model, _, _, watch = both
    blocks = [{name.split(".")[3] for name in drops if ".layer." in name} for drops in watch.dropping]
    assert blocks[::2] == [set(), {"2"}, {"1", "2"}, {"0", "1", "2"}, {"0", "1", "2"}]
    assert ["bert.embeddings.dropout" in drops for drops in watch.dropping[::2]] == [False] * 4 + [True]
    assert all("dropout" in drops for drops in watch.dropping), "the head's own"
    assert not model._forward_pre_hooks


PEAKS = {0: 1.25e-4, 1: 2.5e-4, 2: 5e-4, 3: 1e-3, 4: 1e-2}


def test_rates_fall_with_depth_and_end_with_the_last_rate(both: tuple[Any, Depths, Any, Watch]) -> None:
    model, _, groups, watch = both
    share = get_rate("warmup-linear").bind({"warmup": 0.2})
    for step, rates in enumerate(watch.rates):
        assert rates == pytest.approx([PEAKS[group["depth"]] * share(step, 10) for group in groups])
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    assert all((value.ndim >= 2) is (group["weight_decay"] > 0) for group in groups for value in group["params"])


def test_steps_are_those_of_the_optimizer(tmp_path: Path) -> None:
    model, depths = loaded("bert")
    optimizers = depth_optimizer(model, depths, steps=3, rate="warmup-linear:warmup=0.34", peak=1e-3)
    watch = run(model, tmp_path, optimizers=optimizers, num_train_epochs=3, gradient_accumulation_steps=2)
    assert [max(rates) for rates in watch.rates] == pytest.approx([0, 1e-3, 0.5e-3])


def test_the_depths_of_another_model_are_refused() -> None:
    model, _ = loaded("bert")
    _, depths = loaded("gpt2")
    with pytest.raises(UsageError, match="depths are those of another model"):
        ScheduleCallback(model, depths, "gradual")
    with pytest.raises(UsageError, match="depths are those of another model"):
        depth_optimizer(model, depths, steps=1, peak=1e-3)
    with pytest.raises(UsageError, match="no option 'epoch'"):
        ScheduleCallback(model, depths, "gradual:epoch=2")


def test_warm_up_is_that_of_transformers() -> None:
    from transformers.optimization import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    for name, make in (
        ("warmup-linear", get_linear_schedule_with_warmup),
        ("warmup-cosine", get_cosine_schedule_with_warmup),
    ):
        theirs = make(optimizer, 4, 40).lr_lambdas[0]
        ours = get_rate(name).bind({})
        assert [ours(step, 40) for step in range(40)] == pytest.approx([theirs(step) for step in range(40)])
