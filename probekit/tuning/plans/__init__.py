"""Plans without a report: the usual ways to tune a model, and the rivals of advice, one file each.

Enters: the facts of a model and a task. Leaves: a :class:`~probekit.tuning.plan.TunePlan`. A file sets ``PLAN =
PlanRecipe(name, lay, help)``; it is its own registration. Options stand behind the name, in the order in which the
recipe has them or by their names: ``top:2``, ``random:3:7``, ``random:blocks=3:draw=7``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from probekit.errors import UsageError
from probekit.registry import Registry
from probekit.tuning.choices import ModuleChoice
from probekit.tuning.facts import ModelFacts
from probekit.tuning.options import bound, by_place, keyword_only
from probekit.tuning.parts import HeadChoice, Loop, ModelName, RateChoice, Read, ScheduleChoice
from probekit.tuning.plan import TunePlan
from probekit.tuning.planning.defaults import (
    BATCH_TOKENS,
    FittingHead,
    batch_tokens_for,
    epochs_for,
    head_for,
    head_peak_for,
    patience_for,
    peak_for,
)
from probekit.tuning.reasons import Reason


@dataclass(frozen=True, slots=True)
class Laid:
    """What a recipe decides; the rest is the same for all.

    Attributes
    ----------
    keep : int
        The highest block that is kept; the head reads it.
    train : tuple of int
        Depths.
    text : str
        In words.
    schedule : ScheduleChoice
    rate : mapping
        Fields of the rate that differ from the usual ones.
    sentence_head : FittingHead or None
        The head of whole sentences, where the recipe has its own.
    modules : tuple of ModuleChoice
        What is put into blocks.
    """

    keep: int
    train: tuple[int, ...]
    text: str
    schedule: ScheduleChoice = field(default_factory=ScheduleChoice)
    rate: Mapping[str, Any] = field(default_factory=dict)
    sentence_head: FittingHead | None = None
    modules: tuple[ModuleChoice, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanRecipe:
    """A way to tune.

    Attributes
    ----------
    name : str
    lay : callable
        ``lay(facts, **options)`` gives a :class:`Laid`.
    help : str
        One line, with the paper.
    also : tuple of str
        Further names.
    """

    name: str
    lay: Callable[..., Laid]
    help: str
    also: tuple[str, ...] = ()


PLANS = Registry(
    "plan",
    PlanRecipe,
    attribute="PLAN",
    group="probekit.plans",
    home=__name__,
    names=lambda recipe: (recipe.name, *recipe.also),
)


def make_plan(
    name: str,
    facts: ModelFacts,
    task: str,
    *,
    kind: str = "word",
    labels: Sequence[str] = (),
    n_train: int | None = None,
    targets: str = "labels",
) -> TunePlan:
    """Make a plan of the catalogue.

    Parameters
    ----------
    name : str
        ``full``, ``top:2``, ``head-only``, ``ulmfit`` ...
    facts : ModelFacts
    task : str
    kind : {"word", "span", "pair", "sentence"}
        Of the task's targets.
    labels : sequence of str
        Of the training targets: a head over sequences is chosen for labels like ``B-person``.
    n_train : int, optional
        Training examples; of few blocks need more epochs.
    targets : {"labels", "numbers", "text"}
        Of text the model's own head is kept, which is not new: it trains at the rate of the blocks.

    Raises
    ------
    UsageError
        No such plan, an option that it does not have, or more blocks than the model has.
    """
    member, *given = name.split(":")
    recipe = PLANS.get(member, "plan")
    options = _options(recipe, given, name)
    laid: Laid = bound(recipe.lay, f"plan '{recipe.name}'", options)(facts)
    laid = replace(laid, text=f"the plan {name}: {laid.text}")
    return lay_plan(laid, facts, task, kind=kind, labels=labels, n_train=n_train, targets=targets)


def lay_plan(
    laid: Laid,
    facts: ModelFacts,
    task: str,
    *,
    kind: str = "word",
    labels: Sequence[str] = (),
    n_train: int | None = None,
    targets: str = "labels",
) -> TunePlan:
    """Make a plan of what is kept and trained; parameters as :func:`make_plan` has them."""
    trains = laid.train or tuple(depth for module in laid.modules for depth in module.depths)
    head, epochs = head_for(kind, labels, targets), epochs_for(trains, n_train)
    if kind == "sentence" and targets != "text" and laid.sentence_head is not None:
        head = laid.sentence_head
    peak = peak_for(facts.width)
    head_peak = peak if targets == "text" else head_peak_for(trains)
    rate = {"name": "warmup-linear", "peak": peak, "head_peak": head_peak, **laid.rate}
    return TunePlan(
        model=ModelName(facts.name, facts.digest),
        task=task,
        read=Read((laid.keep,), pool=head.pool or "mean"),
        keep=laid.keep,
        train=laid.train,
        head=HeadChoice(head.name),
        modules=laid.modules,
        schedule=laid.schedule,
        rate=RateChoice(**rate),
        loop=Loop(
            epochs=epochs,
            # The logits of a vocabulary are too wide for large batches, and made at every step whatever trains.
            batch_tokens=BATCH_TOKENS if targets == "text" else batch_tokens_for(trains),
            patience=patience_for(epochs),
        ),
        why=(Reason("train", laid.text, {"n_layers": facts.n_layers}), Reason("head", head.text)),
    )


def blocks_of(facts: ModelFacts, blocks: int) -> int:
    """Return a number of blocks if the model has so many.

    Raises
    ------
    UsageError
    """
    if blocks > facts.n_layers:
        raise UsageError(f"A plan of {blocks} blocks needs a model of so many; '{facts.name}' has {facts.n_layers}.")
    return blocks


def _options(recipe: PlanRecipe, given: Sequence[str], name: str) -> dict[str, str]:
    """Return the options that were typed, by name."""
    own = keyword_only(recipe.lay)
    if len(given) > len(own):
        takes = ":".join([recipe.name, *(option.upper() for option in own)])
        raise UsageError(f"The plan '{name}' has too many options: it is written {takes}.")
    return by_place(recipe.lay, given, f"plan '{recipe.name}'")
