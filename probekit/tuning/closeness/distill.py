"""Distillation: what the model says of the new texts is held to what it said before [1]_.

That is what the head of the run that the model came from predicts, or, of a language model, its own head; with
``layer``, the vectors of that layer.

.. [1] Li & Hoiem 2016, Learning without forgetting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from probekit.tuning.closeness import Closeness, Pretrained
from probekit.tuning.options import NotNegative, Positive, Range

if TYPE_CHECKING:
    from probekit.tuning.auxiliary.pulling import Penalty

Layer = Annotated[int, Range("-1 or more", lambda x: x >= -1)]


def build(
    pretrained: Pretrained, *, strength: NotNegative = 1.0, temperature: Positive = 2.0, layer: Layer = -1
) -> Penalty:
    """Return the strength times the divergence of predictions, or the distance of vectors.

    Parameters
    ----------
    pretrained : Pretrained
    strength, temperature : float
    layer : int
        -1: predictions.
    """
    from probekit.tuning.auxiliary.distilling import distilled

    return distilled(pretrained, strength, temperature=temperature, layer=layer)


CLOSENESS = Closeness("distill", build, "what the model said before (Li & Hoiem 2016)", holds="states")
