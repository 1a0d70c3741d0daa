"""A rival of advice: every block is kept, and some at even distances train, the last one among them."""

from __future__ import annotations

from probekit.tuning.facts import ModelFacts
from probekit.tuning.options import Count
from probekit.tuning.plans import Laid, PlanRecipe, blocks_of


def lay(facts: ModelFacts, *, blocks: Count = 2) -> Laid:
    """Return the blocks that end each of so many equal parts of the model."""
    count = blocks_of(facts, blocks)
    even = tuple((part + 1) * facts.n_layers // count for part in range(count))
    return Laid(facts.n_layers, even, f"{blocks} of {facts.n_layers} blocks train, at even distances")


PLAN = PlanRecipe("uniform", lay, "every block is kept, some at even distances train")
