"""A bottleneck behind attention and behind the MLP [1]_: down to few numbers, a nonlinearity, up again, added.

Where one place is enough, behind the MLP alone [2]_ is ``place=mlp``.

.. [1] Houlsby et al. 2019, Parameter-efficient transfer learning for NLP.
.. [2] Pfeiffer et al. 2021, AdapterFusion: Non-destructive task composition for transfer learning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probekit.tuning.modules import Module
from probekit.tuning.options import Dropout, Size

if TYPE_CHECKING:
    from probekit.tuning.adapters.added import Beside
    from probekit.tuning.adapters.host import Host


def build(host: Host, *, width: Size = 16, place: str = "both", dropout: Dropout = 0.0) -> Beside:
    """Put one at every place of every depth."""
    from probekit.tuning.adapters.bottlenecks import Bottleneck

    return host.beside({site: Bottleneck(host.width, width, dropout=dropout) for site in host.sites(place)})


MODULE = Module("bottleneck", build, "a bottleneck behind attention and MLP, or behind one (Houlsby et al. 2019)")
