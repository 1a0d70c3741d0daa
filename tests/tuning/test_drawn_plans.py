"""Whatever plan is drawn: refused with a reason before anything trains, or steps in which just what it names moves."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from drawn_materials import materials
from hypothesis import HealthCheck, given, settings
from plan_grammar import Drawn, asked
from tiny_models import tiny_model
from tuned_runs import corpus, tensors_of

from probekit.errors import NumericError, ProbekitError, UsageError
from probekit.tuning.data.materials import gather
from probekit.tuning.finding.errors import asked_of, with_found
from probekit.tuning.plan import TunePlan
from probekit.tuning.planning.adding import added_fields
from probekit.tuning.training import run as run_module
from probekit.tuning.training.loop import Fitted, Trainer
from probekit.tuning.training.run import run_plan
from probekit.tuning.tune import plan_for

STEPS = 4
"""So many are taken and looked at."""
FASTEST_STILL, FLATTEST = 1e-4, 1e-6
"""A parameter must move that trains at such a rate, or a higher one, and has such a slope anywhere."""
ADVICE = re.compile(
    r"must be|written|one of|set in parts|[Ii]t (has|fits)|"
    r"\b([Ll]eave|Set|Change|Name|Train|Take|Give|Choose|Hold|Make|Put|Check|Raise|Draw)\b"
)
"""What every reason says besides what is wrong: what to do."""


class Enough(Exception):
    """So many steps were taken."""


def depth_of(name: str, plan: TunePlan) -> int | None:
    """The depth of a parameter by its name alone; None of what no plan trains."""
    new = plan.keep + 1
    if name.startswith(("head.", "mix.", "signals.")):
        return new
    if match := re.match(r"inside\.[^.]+\.(\d+)-", name):
        return int(match[1])
    if "pooler" in name:
        return None
    if match := re.search(r"\.(?:layer|h)\.(\d+)\.", name):
        return int(match[1]) + 1
    if "albert_layer_groups" in name:  # of all blocks: it counts as the first
        return 1
    if re.match(r"body\.(cls\.|lm_head\.|(transformer\.)?ln_f\.)", name):
        return new if plan.head.name == "lm" else None
    return 0


def may_move(name: str, plan: TunePlan, trains: frozenset[int]) -> bool:
    """Whether a plan lets a parameter move while some depths train: around modules only the blocks that it names."""
    depth = depth_of(name, plan)
    placed = name.startswith("inside.") or ".lora_" in name
    return depth in trains and (placed or depth > plan.keep or depth in plan.train)


class Watched:
    """A trainer whose every tensor is compared around each step."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.taken, self.moved, self.rates = trainer, 0, False, [0.0]
        self.first = tensors_of(trainer.network)
        self._step = trainer.optimizer.step
        trainer.optimizer.step = self.step  # type: ignore[method-assign,assignment]

    def step(self, *args: Any) -> None:
        """Take a step."""
        network, plan, trains = self.trainer.network, self.trainer.plan, self.trainer.network.trained
        assert trains <= set(plan.depths)
        assert plan.schedule.name != "full" or trains == set(plan.depths)
        before = tensors_of(network)
        slopes = {
            name: 0.0 if parameter.grad is None else float(parameter.grad.abs().max())
            for name, parameter in network.named_parameters()
        }
        rates = self.trainer.course.rates_at(self.trainer.state.at.step, self.trainer.total)
        self._step(*args)
        moved = {name for name, value in network.tensors() if not torch.equal(before[name], value)}
        own = {name for name in before if may_move(name, plan, trains)}
        assert moved <= own, sorted(moved - own)
        if not self.taken:  # there are no moments yet, which would move what has no slope
            pulled = {name for name in own if slopes.get(name, 0.0) > FLATTEST}
            stuck = {name for name in pulled - moved if rates[depth_of(name, plan) or 0] >= FASTEST_STILL}
            assert not stuck, sorted(stuck)
        self.taken += 1
        self.moved |= bool(moved)
        self.rates.append(max(rates.values()))
        if self.taken == STEPS:
            raise Enough


def reason(drawn: Drawn, folder: Path) -> str:
    """Return why what is asked for is refused; nothing where it trained, behind stages and searches that ran whole."""
    own, watched = materials(drawn.family, drawn.task, drawn.on), []

    class Seen(Trainer):
        def fit(self) -> Fitted:
            if self.folder.path != folder / "run":
                return super().fit()
            watched.append(Watched(self))
            super().fit()
            raise Enough

    try:
        given, search = asked_of(drawn.slices)
        added = added_fields(drawn.modules, drawn.close, drawn.signals, drawn.first, given)
        plan = plan_for(own, drawn.base, changes=[*drawn.changes, *added])
        with patch.object(run_module, "Trainer", Seen):
            plan = with_found(own, plan, search)
            assert TunePlan.from_json(plan.to_json()) == plan
            run_plan(own, plan, folder / "run")
    except Enough:
        pass
    except NumericError:
        raise  # the certificate does not agree, or a loss that is not finite
    except ProbekitError as error:
        for one in watched:
            assert one.taken == 0
            left = tensors_of(one.trainer.network)
            assert all(torch.equal(one.first[name], left[name]) for name in one.first)
        return str(error)
    (one,) = watched
    assert one.taken
    assert one.moved or max(one.rates) < FASTEST_STILL
    return ""


def names_of(drawn: Drawn) -> set[str]:
    """What was typed, word by word: fields, members, options, values."""
    typed = (
        drawn.base,
        drawn.task,
        *drawn.changes,
        *drawn.modules,
        *drawn.close,
        *drawn.signals,
        *drawn.slices,
        *drawn.first,
    )
    return {word for text in typed for word in re.split(r"[=:,@+]", text) if word}


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(asked())
def test_a_drawn_plan_is_refused_with_a_reason_or_trains_what_it_names(drawn: Drawn) -> None:
    with tempfile.TemporaryDirectory() as folder:
        said = reason(drawn, Path(folder))
    if said:
        assert ADVICE.search(said), said
        assert any(word in said for word in names_of(drawn)), said


def test_a_model_of_two_stacks_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be tuned: it has two stacks"):
        gather("pos", model=str(tiny_model("t5")), corpus=corpus(), device="cpu")
