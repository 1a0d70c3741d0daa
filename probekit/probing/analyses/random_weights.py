"""The floor of the untrained model; see :mod:`probekit.probing.analyses._control_model`."""

from __future__ import annotations

from probekit.controls import RANDOM_WEIGHTS
from probekit.probing.analyses._control_model import control_analysis

ANALYSIS = control_analysis(RANDOM_WEIGHTS, "The same model with random weights, a floor of every layer.")
