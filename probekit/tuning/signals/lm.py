"""Language modelling beside the task: the model goes on predicting the tokens of the task's own texts [1]_.

It keeps the head that it was pretrained with. A weight that falls lets the task win in the end: ``lm:0.2..0.1``.

.. [1] Chronopoulou et al. 2019, An embarrassingly simple approach for transfer learning from pretrained language models
   (SiATL), whose head trains too (``train=true``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probekit.tuning.signals import Signal, SignalSpec

if TYPE_CHECKING:
    from probekit.tuning.auxiliary.signal_module import SignalModule


def build(spec: SignalSpec, *, train: bool = False) -> SignalModule:
    """Return the loss of the model's own head over the texts that a step trains on.

    Parameters
    ----------
    spec : SignalSpec
    train : bool
        What the head does not share with the model trains too, with what is new.
    """
    from probekit.tuning.auxiliary.token_signal import token_signal

    return token_signal(spec, train=train)


SIGNAL = Signal("lm", build, "language modelling on the task's own texts (Chronopoulou et al. 2019)")
