"""The floor of the model with shuffled weights; see :mod:`probekit.probing.analyses._control_model`."""

from __future__ import annotations

from probekit.controls import SHUFFLED_WEIGHTS
from probekit.probing.analyses._control_model import control_analysis

ANALYSIS = control_analysis(
    SHUFFLED_WEIGHTS, "The same model with every parameter's numbers shuffled, a floor of every layer."
)
