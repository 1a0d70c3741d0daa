"""When several layers are read instead of one: where the probe's mix is better than its best layer beyond chance."""

from __future__ import annotations

from probekit.tuning.advise.profile import Profile

LEAST = 0.5
"""Of an equal share: a layer with less weight is not read."""


def mixed(profile: Profile) -> dict[int, float]:
    """Return the weights of the layers that a mix reads, adding up to 1; empty where one layer is read.

    A mix is read where the interval of its dev score lies above the best layer's score.
    """
    mix = profile.mix
    if mix is None or mix.low <= profile.dev[profile.peak]:
        return {}
    least = LEAST / len(mix.weights)
    kept = {layer: weight for layer, weight in mix.weights.items() if weight >= least}
    total = sum(kept.values())
    return {layer: weight / total for layer, weight in kept.items()} if len(kept) > 1 else {}
