"""A bottleneck in which all tokens meet: attention in the small space between down and up.

In a model whose tokens do not see those behind them this attention looks back alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probekit.tuning.modules import Module
from probekit.tuning.options import Dropout, Size

if TYPE_CHECKING:
    from probekit.tuning.adapters.added import Beside
    from probekit.tuning.adapters.host import Host


def build(host: Host, *, width: Size = 16, place: str = "mlp", heads: Size = 4, dropout: Dropout = 0.0) -> Beside:
    """Put one at every place of every depth."""
    from probekit.tuning.adapters.bottlenecks import Attention, Bottleneck

    causal = host.causal
    return host.beside(
        {
            site: Bottleneck(host.width, width, inner=Attention(width, heads, causal=causal), dropout=dropout)
            for site in host.sites(place)
        }
    )


MODULE = Module("attention", build, "a bottleneck with attention over all tokens inside")
