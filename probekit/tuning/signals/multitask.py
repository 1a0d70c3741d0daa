"""Another task on another corpus beside the own one, with a head of its own on the shared model [1]_.

``multitask:0.5,on=label@trec.jsonl``, or shorter ``label@trec.jsonl:0.5``.

.. [1] Stickland & Murray 2019, BERT and PALs, whose sampling of tasks this is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probekit.tuning.options import Count
from probekit.tuning.signals import Signal, SignalSpec

if TYPE_CHECKING:
    from probekit.tuning.auxiliary.signal_module import SignalModule


def build(
    spec: SignalSpec,
    *,
    on: str = "",
    sampling: str = "annealed",
    until: Count = 0,
    head: str = "linear",
    targets: str = "labels",
) -> SignalModule:
    """Return the loss of a task on a corpus.

    Parameters
    ----------
    spec : SignalSpec
    on : str
        ``TASK@CORPUS``.
    sampling : {"annealed", "root", "proportional"}
        How often it has a batch: by the size of its corpus to the power of 1 (``proportional``), of one half, or of 1
        in the first epoch and 0.2 in the last.
    until : int
        Epochs that it takes part in; the last ones are the own task's alone. 0: all.
    head : str
        Of the catalogue of heads.
    targets : {"labels", "numbers"}
    """
    from probekit.tuning.auxiliary.task_signal import Asked, task_signal

    return task_signal(spec, Asked(on, sampling, until, head, targets))


SIGNAL = Signal(
    "multitask", build, "another task on another corpus (Stickland & Murray 2019)", corpora=("on",), texts=True
)
