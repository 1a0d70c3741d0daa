"""Adapters [1]_ in frozen blocks: everywhere, or in the upper or the lower half. Rivals of where a report puts them.

.. [1] Houlsby et al. 2019, Parameter-efficient transfer learning for NLP.
"""

from __future__ import annotations

from probekit.errors import UsageError
from probekit.tuning.choices import ModuleChoice
from probekit.tuning.facts import ModelFacts
from probekit.tuning.options import Size
from probekit.tuning.plans import Laid, PlanRecipe

EVERYWHERE, TOP, BOTTOM = "everywhere", "top", "bottom"


def lay(facts: ModelFacts, *, where: str = EVERYWHERE, module: str = "bottleneck", width: Size = 16) -> Laid:
    """Return every block kept and frozen, with modules in all of them, the upper half or the lower half."""
    n_layers = facts.n_layers
    half = max(1, n_layers // 2)
    blocks = {
        EVERYWHERE: range(1, n_layers + 1),
        TOP: range(n_layers - half + 1, n_layers + 1),
        BOTTOM: range(1, half + 1),
    }
    if where not in blocks:
        raise UsageError(
            f"The option `where` of the plan 'adapters' must be one of {', '.join(blocks)}. Got '{where}'."
        )
    depths = tuple(blocks[where])
    text = f"'{module}' trains in blocks {depths[0]} to {depths[-1]} of {n_layers}, which stay frozen, norms too"
    options = {"r" if module == "lora" else "width": width}
    return Laid(n_layers, (), text, modules=(ModuleChoice(module, depths, options),))


PLAN = PlanRecipe("adapters", lay, "adapters in frozen blocks: everywhere, top or bottom half (Houlsby et al. 2019)")
