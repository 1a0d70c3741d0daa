"""Projected attention beside whole blocks [1]_: down, attention, up; all blocks share the projections down and up.

It reads what enters a block, and is added where its MLP writes. With ``place=block`` it is added behind the block.
The projections, shared by all blocks that have one, belong to the lowest of these.

.. [1] Stickland & Murray 2019, BERT and PALs: Projected attention layers for efficient adaptation in multi-task
   learning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probekit.tuning.modules import Module
from probekit.tuning.options import Dropout, Size

if TYPE_CHECKING:
    from probekit.tuning.adapters.added import Beside
    from probekit.tuning.adapters.host import Host


def build(host: Host, *, width: Size = 32, heads: Size = 4, place: str = "mlp", dropout: Dropout = 0.0) -> Beside:
    """Put one beside every depth, with an attention of its own between shared projections."""
    from torch import nn

    from probekit.tuning.adapters.bottlenecks import Attention, ProjectedAttention, zeroed

    causal = host.causal
    down, up = nn.Linear(host.width, width, bias=False), zeroed(nn.Linear(width, host.width, bias=False))
    return host.beside(
        {
            site: ProjectedAttention(down, Attention(width, heads, causal=causal), up, dropout=dropout)
            for site in host.sites(place)
        }
    )


MODULE = Module("pal", build, "projected attention beside whole blocks, projections shared (Stickland & Murray 2019)")
