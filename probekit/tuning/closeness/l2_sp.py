"""L2-SP: a penalty on the squared distance from the pretrained weights [1]_.

What is new (a head, modules) has no pretrained weights and is left out; the decay of the plan's loop is for it alone.

.. [1] Li, Grandvalet & Davoine 2018, Explicit inductive bias for transfer learning with convolutional networks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probekit.tuning.closeness import Closeness, Pretrained
from probekit.tuning.options import NotNegative

if TYPE_CHECKING:
    from probekit.tuning.auxiliary.pulling import Penalty


def build(pretrained: Pretrained, *, strength: NotNegative = 0.01) -> Penalty:
    """Return half the strength times the squared distance."""
    from probekit.tuning.auxiliary.pulling import WeightPenalty

    return WeightPenalty(pretrained.values(), strength)


CLOSENESS = Closeness("l2-sp", build, "squared distance from the pretrained weights (Li et al. 2018)")
