"""What is measured while parts are left out: one file of this folder a metric, which sets ``METRIC = Metric(...)``.

A metric reads its items and says of each what counts: a numerator and a denominator, whose sums over items make the
score, and the weight of every text in what a gradient follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.ablation.passes import Scored
from probekit.behaviour.scoring.making import Session
from probekit.errors import UsageError, did_you_mean
from probekit.registry import Registry

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Entry:
    """An item: some texts.

    Attributes
    ----------
    cluster : str
        The unit that intervals resample, and that is chosen on or shown on as a whole.
    texts : tuple of Scored
    right : int
        The text that should be preferred.
    """

    cluster: str
    texts: tuple[Scored, ...]
    right: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """What a metric read.

    Attributes
    ----------
    entries : list of Entry
    notes : list of str
        What was left out, with names and counts.
    unit : str
        What a cluster is.
    """

    entries: list[Entry]
    notes: list[str]
    unit: str


@dataclass(frozen=True, slots=True)
class Metric:
    """A way to measure a model.

    Attributes
    ----------
    name : str
        What the user types, with what it is of behind a colon: ``behave:blimp/anaphor_*``.
    read : callable
        ``read(argument, session, limit)`` gives a :class:`Reading`.
    count : callable
        ``count(entry, totals)`` gives a numerator and a denominator from the log-probabilities of an item's texts.
    weigh : callable
        ``weigh(entry, totals)`` gives a weight a text: with them the objective of an item is the sum of its weighted
        log-probabilities, higher where the model does better.
    score : str
        The name of what is reported: ``accuracy``.
    bounds : (float, float)
        What it can reach.
    higher : bool
        Whether more is better.
    argument : str
        What stands behind the colon.
    help : str
    """

    name: str
    read: Callable[[str, Session, int | None], Reading]
    count: Callable[[Entry, FloatArray], tuple[float, float]]
    weigh: Callable[[Entry, FloatArray], Sequence[float]]
    score: str
    bounds: tuple[float, float]
    higher: bool
    argument: str
    help: str


METRICS = Registry("ablation metric", Metric, attribute="METRIC", group="probekit.ablation_metrics", home=__name__)


def metric_of(written: str) -> tuple[Metric, str]:
    """Return the metric that is named, and what it is of.

    Raises
    ------
    UsageError
    """
    name, _, argument = written.partition(":")
    known = METRICS.members()
    if name not in known or not argument:
        forms = ", ".join(f"{metric.name}:{metric.argument}" for metric in known.values())
        raise UsageError(f"The `metric` option must be one of {forms}. Got '{written:.80}'.{did_you_mean(name, known)}")
    return known[name], argument
