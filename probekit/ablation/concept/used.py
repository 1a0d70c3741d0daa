"""What a model says of the words that bear a label, whole and under erasures.

Enters: passes, erasures. Leaves: for every word its log-probability and whether it is the model's first choice, and
their means with joint resamples of documents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.ablation.concept.states import Erasers, erasing
from probekit.ablation.passes import TokenPass
from probekit.ablation.runs import Runs, Told
from probekit.statistics.bootstrap import Bootstrap, FloatArray, Score, mean_of_draws

TOP1, LOGPROB = "top1", "logprob"
METRICS = (TOP1, LOGPROB)


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of words under several erasures.

    Attributes
    ----------
    top1 : bool array [erasures, words]
        Every token of the word is the likeliest one.
    logprob : float64 array [erasures, words]
        Sum over its tokens, nats.
    """

    top1: NDArray[np.bool_]
    logprob: FloatArray


def said_of_words(runs: Runs[TokenPass], erasures: Sequence[Erasers], told: Told | None = None) -> Said:
    """Run a model on its passes under each erasure; owners of targets are words."""
    logprob = np.zeros((len(erasures), runs.n_texts))
    top1 = np.ones(logprob.shape, bool)
    for each, numbers, (values, best) in runs.said(erasures, erasing, told):
        for number, its, right in zip(numbers, values, best, strict=True):
            np.add.at(logprob[number], each.owners, its)
            np.logical_and.at(top1[number], each.owners, right)
    return Said(top1, logprob)


def scores_of(
    said: Said, owners: NDArray[np.int64], bootstrap: Bootstrap, names: Sequence[str]
) -> Mapping[str, Mapping[str, Score]]:
    """Return the means of every metric under every name; a name that stands several times is of draws.

    Parameters
    ----------
    said : Said
    owners : int64 array [n]
        The word of each row that counts.
    bootstrap : Bootstrap
        Of these rows.
    names : sequence of str
        Of each erasure.
    """
    found: dict[str, dict[str, Score]] = {}
    for metric in METRICS:
        table = getattr(said, metric)[:, owners].T.astype(np.float64)  # [rows, erasures]
        counts = bootstrap.sums(np.hstack([table, np.ones((len(table), 1))]))
        resampled = bootstrap.scores(lambda added: added[..., :-1] / added[..., -1:], counts)
        columns: dict[str, list[Score]] = {}
        for column, name in enumerate(names):
            columns.setdefault(name, []).append((float(table[:, column].mean()), resampled[:, column]))
        found[metric] = {name: its[0] if len(its) == 1 else mean_of_draws(its) for name, its in columns.items()}
    return found


def less(one: Score, other: Score) -> Score:
    """Return a difference of two scores on the same units."""
    return one[0] - other[0], one[1] - other[1]
