"""Where modules sit that were asked for without their blocks: above the layer at which half of the task is there.

Modules in the lower blocks add least and can go [1]_; below that layer the probe reads little of the task, and states
of lower blocks serve every task alike. The block on top always has one.

.. [1] Rücklé et al. 2021, AdapterDrop: On the efficiency of adapters in transformers.
"""

from __future__ import annotations

from probekit.tuning.advise import Case, Decision, Rule

HALF = 0.5
"""Share of what the best layer gains over chance."""


def decide(case: Case) -> Decision | None:
    """Return the modules, each with its blocks; nothing where none were asked for."""
    if not case.modules:
        return None
    top, profile = max(case.decided["read"]["layers"]), case.profile
    gained = {layer: score - profile.chance for layer, score in profile.dev.items()}
    half = next(layer for layer in sorted(gained) if gained[layer] >= HALF * gained[profile.peak])
    first = max(1, min(half + 1, top))
    chosen = list(range(first, top + 1))
    modules = [{**one, "depths": chosen if one["depths"] is None else one["depths"]} for one in case.modules]
    text = (
        f"modules sit in blocks {first} to {top}: layer {half} ({profile.dev[half]:.3f}) is the lowest with half of "
        f"what layer {profile.peak} ({profile.dev[profile.peak]:.3f}) gains over chance ({profile.chance:.3f})"
    )
    if all(one["depths"] is not None for one in case.modules):
        text = "modules sit where they were asked for"
    return Decision("modules", modules, text, {"half": half, "first": first, "highest": top})


RULE = Rule("modules", decide, "above the layer with half of the task (after Rücklé et al. 2021)")
