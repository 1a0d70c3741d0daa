"""Slice-based learning: an indicator and an expert for each slice of the plan, and attention over them [1]_.

``--slices length:min=30 --with slices``. What is predicted of new text needs the text alone.

.. [1] Chen et al. 2019, Slice-based learning: a programming model for residual learning in critical data slices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probekit.tuning.signals import Signal, SignalSpec

if TYPE_CHECKING:
    from probekit.tuning.auxiliary.signal_module import SignalModule
    from probekit.tuning.plan import TunePlan
    from probekit.tuning.readout.head_module import Judge


def build(spec: SignalSpec) -> SignalModule:
    """Return the losses of indicators and experts.

    Parameters
    ----------
    spec : SignalSpec
    """
    from probekit.tuning.auxiliary.slice_signal import ExpertSignal

    return ExpertSignal(spec)


def around(head: Judge, plan: TunePlan) -> Judge:
    """Put the experts around the head; they are part of the tuned model."""
    from probekit.tuning.auxiliary.slice_signal import with_experts

    return with_experts(head, plan)


SIGNAL = Signal("slices", build, "an expert for each slice, and attention over them (Chen et al. 2019)", around=around)
