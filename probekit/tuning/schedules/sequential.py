"""Sequential unfreezing: what is new, then the blocks with it, at last the embeddings [1]_.

.. [1] Chronopoulou, Baziotis & Potamianos 2019, An embarrassingly simple approach for transfer learning from
   pretrained language models.
"""

from __future__ import annotations

from probekit.tuning.options import NotNegative
from probekit.tuning.schedules import Depths, Schedule


def trains(
    depths: Depths, epoch: float, *, blocks_at: NotNegative = 1.0, embeddings_at: NotNegative = 2.0
) -> frozenset[int]:
    """Return the last depth; from the epoch ``blocks_at`` the blocks too, from ``embeddings_at`` all."""
    if epoch >= embeddings_at:
        return frozenset(depths)
    blocks = [depth for depth in depths if depth > 0] if epoch >= blocks_at else []
    return frozenset([*blocks, depths[-1]])


SCHEDULE = Schedule("sequential", trains, "what is new, then all blocks, then embeddings (Chronopoulou et al. 2019)")
