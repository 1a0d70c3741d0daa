"""A rival of advice: every block is kept, and some drawn at random train."""

from __future__ import annotations

import random

from probekit.tuning.facts import ModelFacts
from probekit.tuning.options import Count
from probekit.tuning.plans import Laid, PlanRecipe, blocks_of


def lay(facts: ModelFacts, *, blocks: Count = 2, draw: Count = 0) -> Laid:
    """Return so many different blocks; the same draw of as many blocks gives the same."""
    drawn = random.Random(f"{facts.n_layers} {blocks} {draw}").sample(
        range(1, facts.n_layers + 1), blocks_of(facts, blocks)
    )
    text = f"{blocks} of {facts.n_layers} blocks train, drawn at random (draw {draw})"
    return Laid(facts.n_layers, tuple(sorted(drawn)), text)


PLAN = PlanRecipe("random", lay, "every block is kept, some drawn at random train")
