"""Targets in a slice of the plan count more: ``--slices length:min=30 --with upweight:2`` counts them three times.

It is the plain rival of experts of slices (``slices``): the same slices, no new parameter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probekit.tuning.signals import Signal, SignalSpec

if TYPE_CHECKING:
    from probekit.tuning.auxiliary.signal_module import SignalModule


def build(spec: SignalSpec) -> SignalModule:
    """Return the loss of the task over the targets that are in some slice.

    Parameters
    ----------
    spec : SignalSpec
    """
    from probekit.tuning.auxiliary.slice_signal import UpweightSignal

    return UpweightSignal(spec)


SIGNAL = Signal("upweight", build, "targets in a slice count more")
