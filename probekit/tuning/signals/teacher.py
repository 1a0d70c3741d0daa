"""Distillation: of the task's own texts, and perhaps of others, the model learns what another run says of them [1]_.

``teacher:1,of=RUN+RUN,temperature=2,hard=0.5,on=FILE``; ``of`` names runs with ``+`` between them, or an ensemble.

.. [1] Hinton, Vinyals & Dean 2015, Distilling the knowledge in a neural network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from probekit.tuning.options import PartOrNone, Positive
from probekit.tuning.signals import Signal, SignalSpec

if TYPE_CHECKING:
    from probekit.tuning.auxiliary.signal_module import SignalModule
    from probekit.tuning.network.network import Network


def build(
    spec: SignalSpec,
    *,
    of: str = "",
    temperature: Positive = 2.0,
    hard: PartOrNone = 0.0,
    on: str = "",
    start: str = "",
) -> SignalModule:
    """Return the divergence from what a teacher says of the texts that a step trains on, and of texts without labels.

    Parameters
    ----------
    spec : SignalSpec
    of : str
        Folders of runs with ``+`` between them, or that of an ensemble.
    temperature : float
        Of the predictions of both; numbers have none.
    hard : float
        Share of the loss that is of the label which the teacher holds for the likeliest alone.
    on : str
        A corpus, whose labels, if it has any, are not looked at.
    start : {"", "lower", "alternate", "top"}
        Blocks of the teacher's best member that the model starts with; by default it starts as it is.
    """
    from probekit.tuning.auxiliary.teacher_signal import Asked, teacher_signal

    return teacher_signal(spec, Asked(of, temperature, hard, on))


def digest(options: Mapping[str, Any]) -> str:
    """Return the sha256 of what the teacher is.

    Raises
    ------
    UsageError
        None is named.
    """
    from probekit.tuning.combined import TunedEnsemble

    return TunedEnsemble.of(str(options.get("of", ""))).digest


def begin(network: Network, options: Mapping[str, Any]) -> str:
    """Put blocks of the teacher into a network, and return what was put where."""
    from probekit.tuning.auxiliary.teacher_blocks import put_blocks

    return put_blocks(network, str(options.get("of", "")), str(options["start"]))


SIGNAL = Signal(
    "teacher",
    build,
    "what another run says (Hinton et al. 2015)",
    corpora=("on",),
    texts=True,
    digest=digest,
    begin=begin,
)
