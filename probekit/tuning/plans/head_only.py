"""Nothing but the head trains: features of the last layer, or of one that is named; blocks above it are removed."""

from __future__ import annotations

from typing import Annotated

from probekit.tuning.facts import ModelFacts
from probekit.tuning.options import Range
from probekit.tuning.plans import Laid, PlanRecipe, blocks_of

Layer = Annotated[int, Range("a layer, or -1 for the last", lambda x: x >= -1)]


def lay(facts: ModelFacts, *, layer: Layer = -1) -> Laid:
    """Return no depth; -1 is the last layer."""
    keep = facts.n_layers if layer == -1 else blocks_of(facts, layer)
    return Laid(keep, (), f"the head alone trains, on layer {keep}")


PLAN = PlanRecipe("head-only", lay, "the head alone trains, on features of one layer")
