"""Contrasts: rows of one group with different labels; and whether a question is one that an estimator can answer.

Enters: a question with its table of targets. Leaves: the group of every row, or why the estimator cannot be fitted. A
group is what the corpus names one (``group`` or ``document`` of its examples): a statement and its negation, two
completions of one prompt, a text and its revision.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from probekit.errors import InputError, UsageError
from probekit.example import SPLITS
from probekit.features import TargetTable
from probekit.probing.estimators import Estimator, estimators
from probekit.probing.problem import Problem
from probekit.probing.question import Question
from probekit.statistics.units import numbered

Contrasts = Mapping[str, NDArray[np.int64]]


def check_estimator(estimator: Estimator, question: Question) -> Contrasts | None:
    """Refuse labels that an estimator cannot learn, or metrics of what it does not give; return the groups it reads.

    Raises
    ------
    UsageError
        More than two classes, or metrics of probabilities, where the estimator knows no such thing.
    InputError
        It reads contrasts, and training has none.
    """
    problem = question.problems[0]
    if not isinstance(problem, Problem):
        return None
    if problem.proba and not estimator.proba:
        known = ", ".join(name for name, other in estimators().items() if other.proba)
        raise UsageError(
            f"A metric of '{question.task.name}' reads probabilities, and the estimator '{estimator.name}' gives none. "
            f"Leave out --metric, or name an estimator that does: {known}."
        )
    if estimator.two and problem.n_classes != 2:
        known = ", ".join(n for n, o in estimators().items() if o.targets == "labels" and not o.two)
        raise UsageError(
            f"The estimator '{estimator.name}' tells two classes apart, and '{question.task.name}' has "
            f"{problem.n_classes} in training. Name another: {known}."
        )
    if not estimator.contrasts:
        return None
    groups = groups_of(question.table)
    train = None if groups is None else groups["train"]
    both = 0 if train is None else int(contrasted(problem.y_train, train).sum())
    if groups is None or not both:
        corpus = question.data.source.corpus.name
        why = f"'{corpus}' does not say which examples belong to one group"
        if train is not None:
            why = f"none of the {train.max(initial=-1) + 1:,} groups of training in '{corpus}' holds both labels"
        raise InputError(
            f"The estimator '{estimator.name}' is fitted on contrasts, examples of one group with different labels: "
            f"{why}. Give the examples of each pair one name in the column `group`, and extract again; or name an "
            "estimator that needs no pairs: mean-difference, logistic."
        )
    return groups


def groups_of(table: TargetTable) -> Contrasts | None:
    """Number the groups of the rows of each split; None: some example is in none."""
    found = {}
    for split in SPLITS:
        names = [table.group[example] for example in table.example[table.part(split)]]
        if None in names:
            return None
        found[split] = numbered(names)
    return found


def contrasted(codes: NDArray[np.integer], groups: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which groups hold rows of both classes, [groups]."""
    n = int(groups.max(initial=-1)) + 1
    first, second = (np.bincount(groups[codes == code], minlength=n) for code in (0, 1))
    return (first > 0) & (second > 0)
