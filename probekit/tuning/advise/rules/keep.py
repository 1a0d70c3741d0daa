"""How many blocks are kept: up to the lowest layer that is not worse than the best, and one above it.

One block above tunes better than the last one that is needed, which has no room left to change [1]_. Where the layer
above loses what was to be read, nothing is put on top; nor where nothing but the head trains.

.. [1] Sajjad et al. 2023, On the effect of dropping layers of pre-trained transformer models.
"""

from __future__ import annotations

from probekit.tuning.advise import Case, Decision, Rule
from probekit.tuning.advise.mixing import mixed
from probekit.tuning.reasons import Evidence

HOLDS = 0.9
"""Share of what the lowest layer gains over chance that the layer above must have, to be put on top."""


def decide(case: Case) -> Decision:
    """Return the highest block that is kept."""
    profile, n_layers = case.profile, case.facts.n_layers
    if weights := mixed(profile):
        top = max(weights)
        text = f"the mix reads no layer above {top}"
        return Decision("keep", top, f"{text}: {_removed(top, n_layers)}", {"layers": tuple(weights)})
    low = profile.lowest
    score, above = profile.dev[low], profile.score(low + 1)
    evidence: dict[str, Evidence] = {
        "layers": tuple(profile.dev),
        "dev": tuple(profile.dev.values()),
        "chance": profile.chance,
    }
    if case.frozen:
        keep, why = low, "the head alone trains, so nothing is put above it"
    elif low == n_layers:
        keep, why = low, "no block is above it"
    elif above is not None and above - profile.chance < HOLDS * (score - profile.chance):
        keep, why = low, f"layer {low + 1} loses it ({above:.3f}; chance {profile.chance:.3f})"
    else:
        seen = "was not probed" if above is None else f"{above:.3f}"
        keep, why = low + 1, f"one block above it ({seen}) is kept to be tuned"
    return Decision("keep", keep, f"{_lowest(case)}; {why}: {_removed(keep, n_layers)}", evidence)


def _lowest(case: Case) -> str:
    profile = case.profile
    low, peak = profile.lowest, profile.peak
    best = f"layer {peak} is best on dev ({profile.dev[peak]:.3f} {profile.metric})"
    if not profile.tested:
        return f"{best}, and the report has no tests between layers"
    if low == peak:
        return f"{best}, and every layer below it is worse"
    score = f"layer {low} ({profile.dev[low]:.3f})"
    return f"{best}, and {score} is the lowest that is not shown to be worse and within a standard error"


def _removed(keep: int, n_layers: int) -> str:
    return "every block is kept" if keep == n_layers else f"{n_layers - keep} of {n_layers} blocks are removed"


RULE = Rule("keep", decide, "the lowest layer not worse than the best, and one block above (Sajjad et al. 2023)")
