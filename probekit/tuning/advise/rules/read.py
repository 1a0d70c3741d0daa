"""What the head reads: the highest block that is kept, or the probe's learned mix where that is better beyond chance.

A mix starts at the weights that the probe learned [1]_.

.. [1] Tenney, Das & Pavlick 2019, BERT rediscovers the classical NLP pipeline.
"""

from __future__ import annotations

from probekit.tuning.advise import Case, Decision, Rule
from probekit.tuning.advise.mixing import mixed
from probekit.tuning.reasons import Evidence


def decide(case: Case) -> Decision:
    """Return layers and mix."""
    profile, keep = case.profile, case.decided["keep"]
    if (weights := mixed(profile)) and profile.mix is not None:
        best = profile.dev[profile.peak]
        text = (
            f"the probe's mix of layers has {profile.mix.dev:.3f} {profile.metric} on dev, at least "
            f"{profile.mix.low:.3f}, the best layer alone ({profile.peak}) {best:.3f}: a mix of layers "
            f"{', '.join(map(str, weights))} is read, started at the probe's weights"
        )
        evidence: dict[str, Evidence] = {
            "mix": profile.mix.dev,
            "low": profile.mix.low,
            "best": best,
            "weights": tuple(weights.values()),
        }
        return Decision("read", {"layers": list(weights), "mix": list(weights.values())}, text, evidence)
    score = profile.score(keep)
    shown = "was not probed" if score is None else f"has {score:.3f} {profile.metric} on dev"
    text = f"layer {keep}, the highest block that is kept, {shown}"
    read = {"layers": [keep], "mix": None}
    return Decision("read", read, text, {} if score is None else {"layers": (keep,), "dev": (score,)})


RULE = Rule("read", decide, "the highest block kept, or the probe's mix (Tenney et al. 2019)")
