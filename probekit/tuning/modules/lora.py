"""Low-rank changes of the linear maps of blocks [1]_, through ``peft``; what is saved, ``PeftModel`` loads.

``to=attention`` changes the maps up to the output projection of attention, ``to=mlp`` those behind it, ``to=all`` both.

.. [1] Hu et al. 2022, LoRA: Low-rank adaptation of large language models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probekit.tuning.modules import Module
from probekit.tuning.options import Dropout, Size

if TYPE_CHECKING:
    from probekit.tuning.adapters.host import Host
    from probekit.tuning.adapters.low_rank import LowRank


def build(host: Host, *, r: Size = 8, alpha: Size = 16, to: str = "attention", dropout: Dropout = 0.0) -> LowRank:
    """Put one at every linear map of its kind in every depth."""
    from probekit.tuning.adapters.low_rank import LowRank

    return LowRank(host.loaded, host.depths, r=r, alpha=alpha, to=to, dropout=dropout)


MODULE = Module("lora", build, "low-rank changes of the linear maps of blocks, by peft (Hu et al. 2022)")
