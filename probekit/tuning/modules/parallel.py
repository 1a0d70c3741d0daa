"""A bottleneck beside a sublayer [1]_: it reads what the sublayer reads, and is added, scaled, to what that writes.

.. [1] He et al. 2022, Towards a unified view of parameter-efficient transfer learning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probekit.tuning.modules import Module
from probekit.tuning.options import Dropout, Positive, Size

if TYPE_CHECKING:
    from probekit.tuning.adapters.added import Beside
    from probekit.tuning.adapters.host import Host


def build(host: Host, *, width: Size = 16, place: str = "mlp", scale: Positive = 4.0, dropout: Dropout = 0.0) -> Beside:
    """Put one at every place of every depth."""
    from probekit.tuning.adapters.bottlenecks import ParallelBottleneck

    sites = host.sites(place)
    return host.beside({site: ParallelBottleneck(host.width, width, scale=scale, dropout=dropout) for site in sites})


MODULE = Module("parallel", build, "a bottleneck beside the MLP, reading what that reads (He et al. 2022)")
