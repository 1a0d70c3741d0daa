"""Every block is kept and everything trains."""

from __future__ import annotations

from probekit.tuning.facts import ModelFacts
from probekit.tuning.plans import Laid, PlanRecipe


def lay(facts: ModelFacts) -> Laid:
    """Return all depths."""
    return Laid(facts.n_layers, tuple(range(facts.n_layers + 1)), "everything is kept and trains")


PLAN = PlanRecipe("full", lay, "every block is kept, everything trains")
