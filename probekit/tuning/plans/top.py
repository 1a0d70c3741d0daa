"""Every block is kept, the last ones train [1]_. As a rival of advice it is also called ``last``.

.. [1] Lee, Tang & Lin 2019, What would Elsa do? Freezing layers during transformer fine-tuning.
"""

from __future__ import annotations

from probekit.tuning.facts import ModelFacts
from probekit.tuning.options import Count
from probekit.tuning.plans import Laid, PlanRecipe, blocks_of


def lay(facts: ModelFacts, *, blocks: Count = 2) -> Laid:
    """Return the last blocks; the head reads the last layer."""
    first = facts.n_layers - blocks_of(facts, blocks) + 1
    text = f"the last {blocks} of {facts.n_layers} blocks train"
    return Laid(facts.n_layers, tuple(range(first, facts.n_layers + 1)), text)


PLAN = PlanRecipe("top", lay, "every block is kept, the last ones train (Lee et al. 2019)", also=("last",))
