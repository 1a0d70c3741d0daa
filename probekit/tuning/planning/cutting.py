"""A plan cut to fewer blocks, or given more: what it reads and trains goes with them.

Enters: a plan, how many blocks to keep. Leaves: a plan that holds together, with reasons that say what was set. What is
read above the last block that is kept is read there; what trained above it is gone.
"""

from __future__ import annotations

from probekit import plain
from probekit.tuning.plan import TunePlan


def cut_to(plan: TunePlan, keep: int) -> TunePlan:
    """Return a plan that keeps so many blocks.

    Parameters
    ----------
    plan : TunePlan
    keep : int
        From 1; a plan that reads its last block alone then reads this one.

    Raises
    ------
    UsageError
        Modules sit above it.
    """
    plain.whole(keep, "keep", least=1)
    last = plan.read.layers == (plan.keep,)
    read = [keep] if last else sorted({min(layer, keep) for layer in plan.read.layers})
    fields = [f"keep={keep}", f"read={','.join(map(str, read))}"]
    if plan.read.mix is not None and tuple(read) != plan.read.layers:
        fields.append("read.mix=null")
    fields.append(f"train={','.join(str(depth) for depth in plan.train if depth <= read[-1])}")
    return plan.with_set(*fields)
