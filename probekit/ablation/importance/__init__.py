"""How much a model seems to need each of its parts: one file of this folder a way to say, ``IMPORTANCE = ...``.

Every one gives a number a part, higher where leaving it out should do more harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.ablation.metrics import Metric
from probekit.ablation.parts import Part
from probekit.ablation.runs import Told
from probekit.ablation.sides import Side
from probekit.errors import UsageError
from probekit.registry import Registry
from probekit.sites import Site

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Importance:
    """A way to say how important parts are.

    Attributes
    ----------
    name : str
    measure : callable
        ``measure(parts, side, told)`` gives a number a part, by the items of a side.
    said : str
        What the number is.
    reference : str
    parts : tuple of str
        Kinds of parts that it orders; none: every kind.
    of_probe : bool
        Whether it is read off the probe of a metric, and so orders what that probe reads alone.
    """

    name: str
    measure: Callable[[Sequence[Part], Side, Told | None], FloatArray]
    said: str
    reference: str
    parts: tuple[str, ...] = ()
    of_probe: bool = False

    def check(self, kind: str, metric: Metric) -> None:
        """Refuse parts that it cannot order, and a metric without what it reads, before a model is loaded.

        Raises
        ------
        UsageError
        """
        if self.parts and kind not in self.parts:
            raise UsageError(
                f"The importance '{self.name}' orders {' and '.join(self.parts)} alone. Got {kind}. Choose another "
                "--importance."
            )
        if self.of_probe and not metric.probed:
            raise UsageError(
                f"The importance '{self.name}' is of a probe, and the metric '{metric.name}' has none: choose --metric "
                "probe:TASK, or another --importance."
            )


IMPORTANCES = Registry("importance", Importance, attribute="IMPORTANCE", group="probekit.importances", home=__name__)


def effects_of_parts(parts: Sequence[Part], side: Side, told: Told | None) -> Iterator[FloatArray]:
    """Yield what a gradient says of each part in every row of a pass, [rows, parts]."""
    sites: list[Site] = list(dict.fromkeys(site for part in parts for site in part.sites))
    for count, found in enumerate(side.runs.effects(sites, side.weights()), start=1):
        # Sums up to each number, so that a part is a difference of two.
        summed = {site: np.pad(np.cumsum(effect, axis=1), ((0, 0), (1, 0))) for site, effect in found.items()}
        yield np.stack(
            [sum(summed[site][:, stop] - summed[site][:, first] for site, _, first, stop in part.places)
             for part in parts], axis=1,
        )  # fmt: skip
        if told is not None:
            told(count / len(side.runs.passes), f"{count:,} of {len(side.runs.passes):,} batches")
