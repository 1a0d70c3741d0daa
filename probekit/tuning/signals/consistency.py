"""Consistency: of a text with words hidden the model is to say what it says of the whole one, labels or none [1]_.

``consistency:1,on=reviews.txt,eps=0.15``.

.. [1] Xie et al. 2020, Unsupervised data augmentation for consistency training (UDA).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probekit.tuning.options import PartOrNone
from probekit.tuning.signals import Signal, SignalSpec

if TYPE_CHECKING:
    from probekit.tuning.auxiliary.signal_module import SignalModule


def build(spec: SignalSpec, *, on: str = "", eps: PartOrNone = 0.15, sure: PartOrNone = 0.0) -> SignalModule:
    """Return the divergence of the task's head over texts with words hidden from that over the whole texts.

    Parameters
    ----------
    spec : SignalSpec
    on : str
        A corpus, whose labels, if it has any, are not looked at.
    eps : float
        Share of the words that are hidden.
    sure : float
        Targets count of which the likeliest label of the whole text has so much probability, or more.
    """
    from probekit.tuning.auxiliary.noise_signal import noise_signal

    return noise_signal(spec, on, eps=eps, sure=sure)


SIGNAL = Signal(
    "consistency",
    build,
    "the same answer with words hidden, on texts without labels (Xie et al. 2020)",
    corpora=("on",),
    texts=True,
)
