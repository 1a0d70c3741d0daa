"""What metrics of the order of probabilities share: one class against the rest, averaged over the classes.

Surprise: of two classes the second of their names in alphabetical order is looked for alone (``1`` of 0 and 1,
``positive`` of negative and positive), and the report says so; of more, each is looked for in turn.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from probekit.statistics.bootstrap import Bootstrap, Resampled, Score
from probekit.statistics.metrics import FloatArray, Metric, Scored
from probekit.statistics.ranking import Curve, ranked


def ordered(name: str, curve: Curve, summary: str, *, fewest: int = 1, steady: int = 1) -> Metric:
    """Return the metric of a curve: `fewest` negatives are what its name takes, `steady` what its interval takes."""
    return Metric(
        name,
        None,
        None,
        summary,
        proba=True,
        measure=partial(measure, curve),
        remark=partial(remark, name, fewest, steady),
    )


def looked_for(n_classes: int) -> Sequence[int]:
    """Return the codes of the classes that are told from the rest."""
    return (1,) if n_classes == 2 else range(n_classes)


def measure(curve: Curve, scored: Scored, bootstrap: Bootstrap) -> Score:
    """Return the mean over the classes that are looked for, of those that some rows are and others are not."""
    each: list[Score] = []
    for code in looked_for(len(scored.classes)):
        positive = scored.gold == code
        if positive.any() and not positive.all():
            each.append(ranked(scored.probabilities[:, code], positive, bootstrap, curve))
    if not each:
        nothing = np.full(len(bootstrap.weights), np.nan)
        return float("nan"), Resampled(nothing, np.full(bootstrap.weights.shape[1], np.nan), bootstrap.sizes)
    both = Resampled.stack([resampled for _, resampled in each])
    # A class that a resample leaves out says nothing of it; the others do.
    return float(np.mean([value for value, _ in each])), Resampled(
        _mean(both.values), _mean(both.left_out), bootstrap.sizes
    )


def _mean(values: FloatArray) -> FloatArray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmean(values, axis=1))


def remark(name: str, fewest: int, steady: int, classes: Sequence[str], gold: Mapping[str, NDArray[np.int32]]) -> str:
    """Say what is looked for, which classes a split cannot be asked about, and where negatives are too few."""
    codes, shown = looked_for(len(classes)), name.replace("_", " ")
    said = [
        f"{shown} looks for '{classes[1]}', not '{classes[0]}'."
        if len(classes) == 2
        else f"{shown} is the mean over {len(classes)} classes, each against the rest."
    ]
    for split, labels in gold.items():
        counts = {code: int((labels == code).sum()) for code in codes}
        absent = [classes[code] for code, count in counts.items() if count in (0, len(labels))]
        if absent:
            said.append(f"In {split} all rows or none are of {', '.join(map(repr, absent))}, left out of it.")
        negatives = {classes[code]: len(labels) - count for code, count in counts.items()}
        if few := _listed(negatives, fewest):
            said.append(
                f"{split} has {few}: fewer than {fewest}, so that no false positive at all is allowed, and the "
                "score hangs on one row."
            )
        if few := _listed(negatives, steady):
            said.append(f"{split} has {few}: with fewer than {steady} its interval is too narrow.")
    return " ".join(said)


def _listed(negatives: Mapping[str, int], enough: int) -> str:
    return ", ".join(f"{count} that are not '{label}'" for label, count in negatives.items() if count < enough)
