"""Augmentation that is given: of a text the model is to say what it says of another that says the same [1]_.

``augmented:1,on=pairs.jsonl`` with the columns ``text`` and ``augmented``; or with a file of the other texts, one a
line in the same order: ``augmented:1,on=reviews.txt,to=back.txt``.

.. [1] Xie et al. 2020, Unsupervised data augmentation for consistency training (UDA), by back-translation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probekit.tuning.options import PartOrNone
from probekit.tuning.signals import Signal, SignalSpec

if TYPE_CHECKING:
    from probekit.tuning.auxiliary.signal_module import SignalModule


def build(spec: SignalSpec, *, on: str = "", to: str = "augmented", sure: PartOrNone = 0.0) -> SignalModule:
    """Return the divergence of the task's head over the other texts from that over the texts themselves.

    Parameters
    ----------
    spec : SignalSpec
    on : str
        A corpus, whose labels, if it has any, are not looked at.
    to : str
        A column of it, or a file with a text for each of its texts.
    sure : float
        Texts count of which the likeliest label has so much probability, or more.
    """
    from probekit.tuning.auxiliary.augmented_signal import augmented_signal

    return augmented_signal(spec, on, to=to, sure=sure)


SIGNAL = Signal(
    "augmented", build, "the same answer for pairs of texts that say the same (Xie et al. 2020)", texts=True
)
