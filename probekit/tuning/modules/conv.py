"""A bottleneck in which neighbouring tokens meet: a convolution along the sentence between down and up.

As an adapter may hold any layer that keeps the shape [1]_. In a model whose tokens do not see those behind them the
convolution looks back alone.

.. [1] Houlsby et al. 2019, Parameter-efficient transfer learning for NLP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probekit.tuning.modules import Module
from probekit.tuning.options import Dropout, Size

if TYPE_CHECKING:
    from probekit.tuning.adapters.added import Beside
    from probekit.tuning.adapters.host import Host


def build(host: Host, *, width: Size = 16, place: str = "mlp", kernel: Size = 3, dropout: Dropout = 0.0) -> Beside:
    """Put one at every place of every depth."""
    from probekit.tuning.adapters.bottlenecks import Bottleneck, Convolution

    causal = host.causal
    return host.beside(
        {
            site: Bottleneck(host.width, width, inner=Convolution(width, kernel, causal=causal), dropout=dropout)
            for site in host.sites(place)
        }
    )


MODULE = Module("conv", build, "a bottleneck with a convolution over neighbouring tokens inside")
