"""What analyses beside the study share: some of the rows that an estimator reads, and rows of the report.

Enters: results by layer and method. Leaves: their scores on dev and test. They are scored under the resamples
of the study, so that differences may be read off them. What is measured on training rows has a row of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from probekit.features import TokenRows
from probekit.probing.analyses import Context
from probekit.probing.estimators import StudySettings
from probekit.probing.measure import Fit, rows_of
from probekit.report import Measurement

Part = NDArray[np.float32] | TokenRows


def taken(part: Part, rows: NDArray[np.int64]) -> Part:
    """Return some rows of what an estimator reads of a split."""
    return part.take(rows) if isinstance(part, TokenRows) else part[rows]


def training_row(blank: Measurement, study: StudySettings) -> Measurement:
    """Return a row about all training targets, whose fits chose no strength and drew nothing."""
    sentences = study.sentences
    return replace(
        blank,
        split="train",
        n=len(sentences),
        n_groups=len(np.unique(sentences)),
        unit="sentence",
        seed=None,
        strength=None,
    )


def layer_rows(
    blank: Measurement, study: StudySettings, found: Mapping[int | str, float], *, method: str, metric: str
) -> Iterator[Measurement]:
    """Yield one row a layer about all training targets."""
    row = replace(training_row(blank, study), method=method, metric=metric)
    for layer, value in found.items():
        yield replace(row, layer=layer, value=value)


def score_rows(
    context: Context,
    blank: Measurement,
    fits: Mapping[int | str, Sequence[tuple[str, Fit]]],
    *,
    every: bool = False,
) -> Iterator[Measurement]:
    """Yield one row a split, layer and method, in the order of ``fits``: the main score, or one by every metric."""
    for scorer in context.scorers.values():
        for layer, named in fits.items():
            for method, fit in named:
                row = replace(scorer.row(blank), layer=layer, method=method)
                row = replace(row, strength=fit.strength, strength_name=fit.strength_name)
                scores = scorer.of(fit)
                yield from rows_of(scorer.metrics, row, scores if every else scores[:1])
