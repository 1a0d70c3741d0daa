"""Macro F1 of directed relations without ``Other``: the official score of SemEval-2010 task 8 [Hendrickx et al. 2010].

``Cause-Effect(e1,e2)`` and ``Cause-Effect(e2,e1)`` are one relation, right only with its direction. The
mean is over the relations that training showed; one that is never right has F1 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from probekit.statistics.metrics import FloatArray, Metric, Scored, f1

OTHER = "Other"


def count(scored: Scored) -> FloatArray:
    """Count hits, predictions and labels of every relation by unit, [n_units, 3 relations]."""
    relations = sorted({_undirected(name) for name in scored.classes} - {OTHER})
    number = {name: column for column, name in enumerate(relations)}
    gold = _columns(scored.labels, number)
    predicted = _columns([scored.classes[code] for code in scored.codes], number)
    width = len(relations)
    hits = scored.tally(gold, (scored.codes == scored.gold) & (gold >= 0), width)
    return np.hstack([hits, scored.tally(predicted, predicted >= 0, width), scored.tally(gold, gold >= 0, width)])


def value(counts: FloatArray) -> FloatArray:
    """Return the mean F1 of the relations."""
    return np.asarray(f1(*np.split(counts, 3, axis=1)).mean(axis=1))


def _undirected(label: str) -> str:
    return label.partition("(")[0]


def _columns(labels: Sequence[str], number: dict[str, int]) -> NDArray[np.int64]:
    return np.array([number.get(_undirected(label), -1) for label in labels], np.int64)


def misfit(classes: Sequence[str]) -> str:
    """Say that no label has a direction."""
    return "" if any(name.endswith(")") and "(" in name for name in classes) else "none is directed (Cause(e1,e2))"


METRIC = Metric(
    "relation_f1",
    count,
    value,
    "Macro F1 of directed relations, Other left out (SemEval-2010 task 8).",
    misfit=misfit,
    sample=("Cause(e1,e2)", "Cause(e2,e1)", OTHER, "Part(e1,e2)", "Part(e2,e1)"),
)
