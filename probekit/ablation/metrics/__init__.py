"""What is measured while parts are left out: one file of this folder a metric, which sets ``METRIC = Metric(...)``.

A metric opens the model it measures and reads its items, and says of each what counts: a numerator and a denominator,
whose sums over items make the score, and the weight of every outcome in what a gradient follows. How the model is read
(by its own head, by a probe of a layer) is the metric's own: it lays its items out as passes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.ablation.passes import Pass
from probekit.ablation.probes.fitting import ProbeSpec
from probekit.ablation.probes.pooled import LinearProbe
from probekit.behaviour.scoring.making import ScoringSpec
from probekit.errors import UsageError, did_you_mean
from probekit.models.sources.find import ModelSource, find_model
from probekit.models.sources.load import LoadedModel
from probekit.registry import Registry

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Entry:
    """An item: some outcomes that have a log-probability each.

    Attributes
    ----------
    cluster : str
        The unit that intervals resample, and that is chosen on or shown on as a whole.
    outcomes : tuple
        Texts, or whatever else the metric lays out.
    right : int
        The outcome that should be preferred.
    """

    cluster: str
    outcomes: tuple[Any, ...]
    right: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a metric is asked for.

    Attributes
    ----------
    argument : str
        What stands behind its colon.
    named : ModelSource or None
        The model that is named.
    spec : ScoringSpec
        How the model computes, and how its own head scores.
    limit : int or None
    seed : int
    probing : ProbeSpec
        The annotated corpus, and what a probe of it is.
    attention : {"eager", "sdpa"} or None
        How a model with its head computes attention; None: sdpa where the family has it.
    """

    argument: str
    named: ModelSource | None
    spec: ScoringSpec
    limit: int | None
    seed: int
    probing: ProbeSpec
    attention: str | None = None

    @property
    def source(self) -> ModelSource:
        """The model.

        Raises
        ------
        UsageError
            None is named.
        """
        if self.named is None:
            raise UsageError("What is measured is a model: name it with --model.")
        return self.named


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a metric read, with the model open.

    Attributes
    ----------
    loaded : LoadedModel
    choosing, showing : list of Entry
        The items that say what is important, and those that show what it is worth; they share no cluster.
    parts : (str, str)
        What their clusters are, in words.
    lay : callable
        ``lay(entries, batch_tokens)`` gives the passes, whose owners number the outcomes of the entries one behind the
        other.
    unit : str
        What a cluster is.
    name : str
        Of the model.
    corpus : str
        Name of what the items come from.
    identity : mapping
        Of the model.
    said : str
        How scores are made, a sentence.
    notes : list of str
        What was left out, with names and counts.
    later : callable
        What must be said besides when all is done.
    settings : mapping
        What the metric settled.
    layers : tuple of int
        The layers that are read; none: the model's own head above the last one.
    probe : LinearProbe or None
        What reads it.
    """

    loaded: LoadedModel
    choosing: list[Entry]
    showing: list[Entry]
    parts: tuple[str, str]
    lay: Callable[[Sequence[Entry], int], Sequence[Pass]]
    unit: str
    name: str
    corpus: str
    identity: Mapping[str, Any]
    said: str
    notes: list[str]
    later: Callable[[], list[str]] = list
    settings: Mapping[str, Any] = field(default_factory=dict)
    layers: tuple[int, ...] = ()
    probe: LinearProbe | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """A way to measure a model.

    Attributes
    ----------
    name : str
        What the user types, with what it is of behind a colon: ``behave:blimp/anaphor_*``.
    open : callable
        ``open(wanted)`` is a context that loads the model and gives a :class:`Reading`.
    count : callable
        ``count(entry, totals)`` gives a numerator and a denominator from the log-probabilities of an item's outcomes.
    weigh : callable
        ``weigh(entry, totals)`` gives a weight an outcome: with them the objective of an item is the sum of its
        weighted log-probabilities, higher where the model does better.
    score : str
        The name of what is reported: ``accuracy``.
    bounds : (float, float)
        What it can reach.
    higher : bool
        Whether more is better.
    argument : str
        What stands behind the colon.
    help : str
    annotated : bool
        Whether it is of a corpus with labels beside, and of no head that predicts tokens.
    probed : bool
        Whether its readings have a probe.
    """

    name: str
    open: Callable[[Wanted], AbstractContextManager[Reading]]
    count: Callable[[Entry, FloatArray], tuple[float, float]]
    weigh: Callable[[Entry, FloatArray], Sequence[float]]
    score: str
    bounds: tuple[float, float]
    higher: bool
    argument: str
    help: str
    annotated: bool = False
    probed: bool = False


METRICS = Registry("ablation metric", Metric, attribute="METRIC", group="probekit.ablation_metrics", home=__name__)


def named_model(model: str | os.PathLike[str] | None, revision: str | None) -> ModelSource | None:
    """Return the model that is named, if any is.

    Raises
    ------
    UsageError, NetworkError
    """
    if model is not None:
        return find_model(str(model), revision=revision)
    if revision is not None:
        raise UsageError("The `revision` option is of a model on the hub: name it with --model.")
    return None


def metric_of(written: str, *, annotated: bool = False) -> tuple[Metric, str]:
    """Return the metric that is named, and what it is of.

    Parameters
    ----------
    written : str
        ``loss:novel.txt``.
    annotated : bool
        Whether metrics of an annotated corpus can be had as well.

    Raises
    ------
    UsageError
    """
    name, _, argument = written.partition(":")
    known = {its.name: its for its in METRICS.members().values() if annotated or not its.annotated}
    if name not in known or not argument:
        forms = ", ".join(f"{metric.name}:{metric.argument}" for metric in known.values())
        raise UsageError(f"The `metric` option must be one of {forms}. Got '{written:.80}'.{did_you_mean(name, known)}")
    return known[name], argument
