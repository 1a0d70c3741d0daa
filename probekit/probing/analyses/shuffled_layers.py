"""The floor of the model whose blocks are exchanged; see :mod:`probekit.probing.analyses._control_model`."""

from __future__ import annotations

from probekit.controls import SHUFFLED_LAYERS
from probekit.probing.analyses._control_model import control_analysis

ANALYSIS = control_analysis(SHUFFLED_LAYERS, "The same model with its blocks exchanged, a floor of every layer.")
