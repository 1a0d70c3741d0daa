"""A plan from a report: rules, one file each, applied one behind the other.

Enters: a report, the facts of its model, how much there is to train on. Leaves: a
:class:`~probekit.tuning.plan.TunePlan` whose every decision has its reason with the report's numbers. A file of
``rules`` sets ``RULE = Rule(name, decide, help)``; it is its own registration. Surprise: rules see what those before
them decided, in the order of :data:`ORDER`; all others come behind, by name, and one that decides a field
again replaces decision and reason. Test rows choose nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from probekit import plain
from probekit.registry import Registry
from probekit.report import LayerReport
from probekit.tuning.advise.profile import Profile, profile_of
from probekit.tuning.checking import SCHEMA
from probekit.tuning.facts import ModelFacts
from probekit.tuning.plan import TunePlan
from probekit.tuning.reasons import Evidence, Reason

ORDER = (
    "keep",
    "read",
    "train",
    "depth-factor",
    "head",
    "pool",
    "batch",
    "rate",
    "peak",
    "head-peak",
    "epochs",
    "patience",
    "modules",
    "around-modules",
)
"""The rules that others build on, in the order in which they decide; those not named here come behind."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a rule decides from.

    Attributes
    ----------
    report : LayerReport
    profile : Profile
        What the report says of the layers on dev.
    facts : ModelFacts
    n_train : int
        Training examples.
    frozen : bool
        The head alone is to train.
    labels : tuple of str
        Of the training targets; empty where they are not known, or are numbers.
    modules : tuple of mapping
        That were asked for, as JSON has them; their depths are None where the report is to say them.
    decided : mapping
        The plan as far as rules have come, as JSON has it.
    """

    report: LayerReport
    profile: Profile
    facts: ModelFacts
    n_train: int
    frozen: bool = False
    labels: tuple[str, ...] = ()
    modules: tuple[Mapping[str, Any], ...] = ()
    decided: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rule decided.

    Attributes
    ----------
    field : str
        Dotted name of the field of the plan; a whole part has the name of the part.
    value : object
        As JSON has it.
    text : str
        Why, with the report's numbers.
    evidence : mapping
        These numbers.
    """

    field: str
    value: Any
    text: str
    evidence: Mapping[str, Evidence] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of decision.

    Attributes
    ----------
    name : str
    decide : callable
        ``decide(case)`` gives a :class:`Decision`; None: it has nothing to say.
    help : str
        One line, with the paper.
    """

    name: str
    decide: Callable[[Case], Decision | None]
    help: str


RULES = Registry("rule", Rule, attribute="RULE", group="probekit.rules", home=f"{__name__}.rules")


def advise(
    report: LayerReport,
    facts: ModelFacts,
    *,
    n_train: int,
    task: str,
    labels: Sequence[str] = (),
    frozen: bool = False,
    modules: Sequence[Mapping[str, Any]] = (),
    digest: str | None = None,
) -> TunePlan:
    """Make a plan from a report.

    Parameters
    ----------
    report : LayerReport
        Of this task and model, with dev rows.
    facts : ModelFacts
    n_train : int
        Training examples.
    task : str
    labels : sequence of str
        Of the training targets: a head over sequences is chosen for labels like ``B-person``.
    frozen : bool
        Only the head is to train.
    modules : sequence of mapping
        Modules to put into blocks, as :func:`~probekit.tuning.choices.typed_modules` reads them.
    digest : str, optional
        The sha256 of the report, written into the plan.

    Returns
    -------
    TunePlan

    Raises
    ------
    UsageError
        A report of another task or model.
    InputError
        A report that decides nothing: no dev rows, one layer, no layer above its floor.
    """
    n_train = plain.whole(n_train, "n_train", least=1)
    profile = profile_of(report, facts, task)
    decided: dict[str, Any] = {
        "schema": SCHEMA,
        "model": {"name": facts.name, "digest": facts.digest},
        "task": task,
        "report": None if digest is None else {"sha256": digest},
    }
    reasons: dict[str, Reason] = {}
    for rule in ordered_rules():
        case = Case(report, profile, facts, n_train, frozen, tuple(labels), tuple(modules), decided)
        if (decision := rule.decide(case)) is not None:
            decided = _with(decided, decision.field.split("."), decision.value)
            reasons[decision.field] = Reason(decision.field, decision.text, decision.evidence)
    return TunePlan.from_json(decided, where="the advice").because(*reasons.values())


def ordered_rules() -> list[Rule]:
    """Return the rules in the order in which they decide."""
    members = RULES.members()
    return [members[name] for name in (*ORDER, *sorted(set(members) - set(ORDER)))]


def _with(document: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """Return a document with one field set."""
    name, *below = path
    return {**document, name: _with(document.get(name, {}), below, value) if below else value}
