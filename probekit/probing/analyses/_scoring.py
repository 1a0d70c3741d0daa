"""The rows of fits that an analysis makes beside the study's own.

Enters: results by layer and method. Leaves: their accuracy on dev and test. Surprise: all methods of a layer and
split share one set of resamples, that of the study, so that differences may be read off them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from probekit.probing.analyses import Scene
from probekit.probing.measure import scored
from probekit.probing.problem import Result
from probekit.report import Measurement
from probekit.statistics.bootstrap import LEVEL, Bootstrap


def accuracy_rows(
    scene: Scene, blank: Measurement, fits: Mapping[int | str, Sequence[tuple[str, Result]]]
) -> Iterator[Measurement]:
    """Yield one row a split, layer and method, in the order of ``fits``."""
    for split in ("dev", "test"):
        part = scene.question.parts[split]
        bootstrap = Bootstrap.draw(part.units, resamples=scene.resamples, seed=scene.study.seed)
        row = replace(blank, split=split, n=len(part.y), n_groups=part.n_units, unit=part.unit, level=LEVEL)
        for layer, named in fits.items():
            codes = [fit.dev_codes if split == "dev" else fit.test_codes for _, fit in named]
            hits = np.stack(codes, axis=1) == part.y[:, None]
            resampled = bootstrap.accuracy(hits)
            for place, (method, fit) in enumerate(named):
                one = replace(row, layer=layer, method=method)
                one = replace(one, strength=fit.strength, strength_name=fit.strength_name)
                yield scored(one, "accuracy", hits[:, place].mean(), resampled[:, place])
