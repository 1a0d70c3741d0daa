"""What a learned mix says of the layers: a weight each, the centre of gravity, their intervals.

Enters: the weights, and those of refits that leave out a part of the training sentences. Leaves: rows and a sentence
of the report. The interval is a jackknife's, so unlike those of scores it speaks of other training data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from probekit.probing.analyses.scalar_mix.fit import half_width
from probekit.report import Measurement
from probekit.sites import split_layer
from probekit.statistics.bootstrap import FloatArray

METHOD = "scalar_mix"
STOPPED = "scalar_mix_early_stopped"
"""Learned as Tenney et al. (2019) learn theirs: no penalty, Adam, stopped on dev."""


@dataclass(frozen=True, slots=True)
class LearnedMix:
    """Weights of layers.

    Attributes
    ----------
    layers : sequence of int or str
    weights : float64 array [layers]
    refits : float64 array [folds, layers]
    """

    layers: Sequence[int | str]
    weights: FloatArray
    refits: FloatArray

    def centre(self) -> tuple[float, float, float]:
        """Return the centre of gravity and its interval, which ends at the first and the last depth."""
        depths = np.array([split_layer(layer)[1] for layer in self.layers], np.float64)
        centre, wide = float(self.weights @ depths), half_width(self.refits @ depths)
        return centre, max(float(depths.min()), centre - wide), min(float(depths.max()), centre + wide)

    def rows(self, row: Measurement) -> Iterator[Measurement]:
        """Yield the weight of every layer and the centre of gravity, made from ``row``; of one layer nothing."""
        if len(self.layers) < 2:
            return
        for place, layer in enumerate(self.layers):
            wide, weight = half_width(self.refits[:, place]), float(self.weights[place])
            low, high = max(0.0, weight - wide), min(1.0, weight + wide)
            yield replace(row, layer=layer, metric="weight", value=weight, low=low, high=high)
        centre, low, high = self.centre()
        yield replace(row, metric="centre_of_gravity", value=centre, low=low, high=high)

    def note(self, n: int, how: str) -> str:
        """Say it in one sentence."""
        if len(self.layers) < 2:
            return f"There is no mix of layer {self.layers[0]} alone."
        shown = ", ".join(f"{weight:.2f}" for weight in self.weights)
        centre, low, high = self.centre()
        return (
            f"Scalar mix of layers {', '.join(map(str, self.layers))} (weights {shown}; {n:,} training rows; "
            f"learned under {how}): centre of gravity {centre:.2f} [{low:.2f}, {high:.2f}], of {len(self.refits)} "
            "refits that leave out sentences."
        )
