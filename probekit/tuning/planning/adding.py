"""Modules, closeness, signals and stages put into a plan as they are typed.

Enters: a plan, texts: ``bottleneck:16@3-6``, ``ewc``, ``lm:0.2..0.1``. Leaves: the plan with them. Surprise: where
modules train, the blocks around them do not, unless that was set by hand: what is stored then is small, and the same
model serves every task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from probekit.errors import UsageError
from probekit.tuning.plan import TunePlan
from probekit.tuning.planning.defaults import HEAD_PEAK
from probekit.tuning.reasons import Reason


def added_fields(
    modules: Sequence[str] = (),
    close: Sequence[str] = (),
    signals: Sequence[str] = (),
    first: Sequence[str] = (),
    slices: Sequence[str] = (),
) -> list[str]:
    """Return what was typed as changes of a plan: ``modules=bottleneck:16@3-6;lora@4``; nothing where nothing was."""
    asked = (("modules", modules), ("close", close), ("signals", signals), ("first", first), ("slices", slices))
    return [f"{field}={';'.join(texts)}" for field, texts in asked if texts]


def teacher_field(teacher: str | None, start: str | None) -> list[str]:
    """Return a teacher as a signal is typed: ``teacher:of=RUN+RUN,start=lower``; nothing where none is named.

    Raises
    ------
    UsageError
        Blocks to start with, and no teacher whose they are.
    """
    if teacher is None:
        if start is not None:
            raise UsageError("Blocks to start with are a teacher's: name one with --teacher, or leave out --start.")
        return []
    runs = [str(Path(run.strip()).absolute()) for run in teacher.split(",") if run.strip()]
    return [f"teacher:of={'+'.join(runs)}{'' if start is None else f',start={start}'}"]


def values_of(field: str, changes: Sequence[str]) -> list[str]:
    """Return what changes set a field of a plan to."""
    parts = [change.partition("=") for change in changes]
    return [value.strip() for name, _, value in parts if name.strip() == field]


def on_frozen_blocks(plan: TunePlan, by_hand: Sequence[str] = ()) -> TunePlan:
    """Return a plan with modules under which the blocks stay as they are; what was set by hand stays.

    Parameters
    ----------
    plan : TunePlan
    by_hand : sequence of str
        Fields that were set: ``train``, ``rate.head_peak``.
    """
    if not plan.modules:
        return plan
    where = "; ".join(f"{module.name} in {', '.join(map(str, module.depths))}" for module in plan.modules)
    sizes = {"modules": tuple(depth for module in plan.modules for depth in module.depths)}
    if "train" not in by_hand and plan.train:
        text = f"modules train ({where}) and what is new; the blocks around them, norms too, stay as they were"
        plan = replace(plan, train=(), why=_without(plan, "train")).because(Reason("train", text, sizes))
    head_peak = plan.rate.head_peak
    if "rate.head_peak" not in by_hand and (head_peak is None or head_peak > HEAD_PEAK):
        text = f"modules start new and train at the rate of what is new, {HEAD_PEAK:g}, and more would harm them"
        plan = replace(plan, rate=replace(plan.rate, head_peak=HEAD_PEAK), why=_without(plan, "rate.head_peak"))
        plan = plan.because(Reason("rate.head_peak", text, {"head_peak": HEAD_PEAK}))
    return plan


def _without(plan: TunePlan, field: str) -> tuple[Reason, ...]:
    return tuple(reason for reason in plan.why if reason.field != field)
