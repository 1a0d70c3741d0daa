"""Cross-view training: small heads that see a part of a text learn to say what the task's head says of all of it [1]_.

``cross-view:1,on=reviews.txt,views=left+right+lower``. The heads are left out of the tuned model; what it keeps is what
they did to the states below them.

.. [1] Clark, Luong, Manning & Le 2018, Semi-supervised sequence modeling with cross-view training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from probekit.tuning.options import Range
from probekit.tuning.signals import Signal, SignalSpec

if TYPE_CHECKING:
    from probekit.tuning.auxiliary.signal_module import SignalModule

Layer = Annotated[int, Range("a layer, or -1 for half of those read", lambda x: x >= -1)]


def build(
    spec: SignalSpec, *, on: str = "", views: str = "left+right", layer: Layer = -1, head: str = "linear"
) -> SignalModule:
    """Return the divergence of the heads of restricted views from the head of the task, summed over views.

    Parameters
    ----------
    spec : SignalSpec
    on : str
        A corpus, whose labels, if it has any, are not looked at.
    views : str
        Of ``left``, ``right``, ``first``, ``last`` and ``lower``, with ``+`` between them: states of the left or the
        right half of a text, of its first or its last token; of a word those of the token on its left or its right;
        ``lower`` those of a lower layer.
    layer : int
        That ``lower`` reads; -1: half as high as the highest that is read.
    head : str
        Of each view, of the catalogue of heads.
    """
    from probekit.tuning.auxiliary.view_signal import ViewsAsked, view_signal

    return view_signal(spec, ViewsAsked(on, views, layer, head))


SIGNAL = Signal(
    "cross-view", build, "heads that see a part learn what is said of all of a text (Clark et al. 2018)", texts=True
)
