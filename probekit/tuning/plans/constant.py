"""A rival of advice: the same depth for every task; blocks above it are removed, all below it train."""

from __future__ import annotations

from probekit.tuning.facts import ModelFacts
from probekit.tuning.options import Count
from probekit.tuning.plans import Laid, PlanRecipe, blocks_of


def lay(facts: ModelFacts, *, depth: Count = 4) -> Laid:
    """Return the lowest blocks and the embeddings."""
    keep = blocks_of(facts, depth)
    return Laid(keep, tuple(range(keep + 1)), f"{keep} of {facts.n_layers} blocks are kept, and everything trains")


PLAN = PlanRecipe("constant", lay, "so many blocks are kept whatever the task, and all of them train")
