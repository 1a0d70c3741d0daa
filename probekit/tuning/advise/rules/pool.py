"""How the tokens of a span become one vector: as they did for the probe, unless the head needs another way.

The mean of a whole sentence is taken whatever the probe did, since its first and last tokens say little of it.
"""

from __future__ import annotations

from probekit.tasks.positions import place_of
from probekit.tuning.advise import Case, Decision, Rule
from probekit.tuning.heads import POOLS
from probekit.tuning.planning.defaults import head_for


def decide(case: Case) -> Decision:
    """Return the name of the pooling."""
    settings = case.report.settings
    kind = str(settings.get("kind") or "word")
    head = head_for(kind, case.labels)
    if head.pool is not None and head.name == case.decided["head"]["name"]:
        return Decision("read.pool", head.pool, f"the head '{head.name}' reads {head.pool}")
    if kind == "sentence" and (at := settings.get("at")) is None:
        return Decision("read.pool", "mean", "the mean of all tokens of a sentence")
    if kind == "sentence" and place_of(str(at)).position.closing:
        return Decision("read.pool", "mean", f"at '{at}' one token is read")
    if (pool := settings.get("pool")) in POOLS:
        return Decision("read.pool", pool, f"the report's scores are of vectors pooled so ({pool})")
    return Decision("read.pool", "mean", "the report names no pooling, so the mean is taken")


RULE = Rule("pool", decide, "as the probe pooled, where the head can read it")
