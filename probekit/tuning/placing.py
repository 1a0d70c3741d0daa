"""A plan and where its targets were laid out: the position of every example, and whether the examples are chats.

Enters: a plan, the position at which targets lie, how texts were read. Leaves: the plan with that position. Surprise: a
position decides which tokens targets are, so it is asked for before there is a plan, and a plan that names another one
is refused.
"""

from __future__ import annotations

from dataclasses import replace

from probekit.errors import UsageError
from probekit.tuning.data.reading import beside_chats
from probekit.tuning.plan import TunePlan
from probekit.tuning.reasons import Reason
from probekit.tuning.signals import get_signal


def at_position(plan: TunePlan, at: str | None) -> TunePlan:
    """Return the plan that reads at a position, as the targets are laid out.

    Raises
    ------
    UsageError
        The plan names another position.
    """
    if plan.read.at == at:
        return plan
    if plan.read.at is not None:
        where = "in all of their words" if at is None else f"at '{at}'"
        raise UsageError(
            f"The plan reads every example at '{plan.read.at}' (read.at), and the targets are laid out {where}. Ask "
            f"for --at {plan.read.at}, or make a plan for what is asked."
        )
    reason = Reason("read.at", f"every example is read at '{at}', as was asked or as the report's probes read it")
    return replace(plan, read=replace(plan.read, at=at)).because(reason)


def check_chats(plan: TunePlan) -> None:
    """Refuse what reads further texts, for a model that is tuned on chats under a template.

    Raises
    ------
    UsageError
    """
    named = [f"--with {one.name}" for one in plan.signals if get_signal(one.name).texts]
    named += [f"--first {one.task}@{one.corpus}" for one in plan.first]
    if named:
        raise beside_chats(f"'{named[0]}'")
