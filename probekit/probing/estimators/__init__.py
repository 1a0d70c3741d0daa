"""The estimators that answer a task: one file each, found by scanning this folder.

A file sets ``ESTIMATOR = Estimator(name, study)``, or what :func:`probekit.from_sklearn` gives; the file is its own
registration. Surprise: a
study is given the layers as a stream, so that a convex probe can hold one layer in memory and a
network can train several at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UsageError
from probekit.features import TokenRows
from probekit.registry import Registry
from probekit.tasks import ProbeTask


@dataclass(frozen=True, slots=True)
class LayerMatrix:
    """The vectors of one layer, float32 [n, d], cut by split.

    Attributes
    ----------
    layer : int or str
    train, dev, test : float32 array [n, d]
    """

    layer: int | str
    train: NDArray[np.float32]
    dev: NDArray[np.float32]
    test: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LayerTokens:
    """The tokens of one layer, cut by split, for an estimator that reads tokens.

    Attributes
    ----------
    layer : int or str
    train, dev, test : TokenRows
    """

    layer: int | str
    train: TokenRows
    dev: TokenRows
    test: TokenRows


@dataclass(frozen=True, slots=True)
class StudySettings:
    """What every estimator may need besides vectors and labels.

    Attributes
    ----------
    sentences : int64 array [n train]
        Sentence of each training row; a sample takes whole sentences.
    seed : int
    device : str
        ``cpu``, ``cuda`` or ``mps``.
    halves : int
        Spans whose vectors stand one behind the other in a target's vector: 2 for a pair, else 1.
    overwrite : bool
        Nobody looks at a layer's vectors after the study: it may change them where they are.
    curve : bool
        Take every strength to its optimum and keep what each predicts, where an estimator has strengths to tell of.
    contrasts : mapping of str to int64 array [n], optional
        Group (document) of each row of ``train``, ``dev`` and ``test``, numbered from 0 in each; of an estimator that
        reads contrasts.
    """

    sentences: NDArray[np.int64]
    seed: int
    device: str
    halves: int = 1
    overwrite: bool = False
    curve: bool = False
    contrasts: Mapping[str, NDArray[np.int64]] | None = None


# A study takes LayerMatrix, or LayerTokens where its estimator reads tokens; and problems of its kind of targets:
# Problem and Result of labels, NumberProblem and NumberResult of numbers.
Study = Callable[[Iterable[Any], Sequence[Any], StudySettings], Iterator[tuple[int | str, list[Any]]]]


@dataclass(frozen=True, slots=True)
class Estimator:
    """A kind of probe.

    Attributes
    ----------
    name : str
        What the user types, and the method of its rows in a report.
    study : callable
        ``study(layers, problems, settings)`` yields ``(layer, results)``, results in the order of
        the problems.
    seeded : bool
        Whether a seed changes the fit.
    reads : str
        What its strengths are, in words.
    targets : {"labels", "numbers", "trees"}
        What it predicts. Its study is given a :class:`~probekit.probing.problem.Problem` of each set of labels and
        yields :class:`~probekit.probing.problem.Result`; of numbers a
        :class:`~probekit.probing.number_problem.NumberProblem` and a
        :class:`~probekit.probing.number_problem.NumberResult`.
    linear : bool
        It is linear in the vectors, its strength is the C of an L2 penalty, and it tells what analyses ask of such a
        probe: the coefficients of labels, and what every strength predicts where ``settings.curve`` is set.
    tokens : bool
        Whether it reads the tokens around the targets instead of one vector a target.
    pairs : bool
        Whether it needs the two spans of a pair.
    proba : bool
        Whether it gives the probabilities of labels, where a problem wants them.
    two : bool
        Whether it tells two classes apart, and no more.
    contrasts : bool
        Whether it is fitted on contrasts: rows of one group (document) with different labels.
    notes : tuple of str
        What every report by it must say.
    network : callable, optional
        ``network(d, n_spans, n_classes)`` gives the network that it trains; a learned mix of layers is then
        trained together with it.
    scikit : callable, optional
        What scikit-learn sees of it: the class that the study runs, or what makes one with all its settings at their
        defaults. One that can be held to dev rows takes them in ``fit(X, y, held_out=(X_dev, y_dev))``.
    parameter : str
        The setting of that class which is the strength chosen on dev.
    """

    name: str
    study: Study
    seeded: bool
    reads: str
    targets: str = "labels"
    linear: bool = False
    tokens: bool = False
    pairs: bool = False
    proba: bool = False
    two: bool = False
    contrasts: bool = False
    notes: tuple[str, ...] = ()
    network: Callable[[int, int, int], Any] | None = None
    scikit: Callable[[], Any] | None = None
    parameter: str = "C"


DEFAULT = "logistic"
"""What labels are learned by where nothing else was asked for."""

ESTIMATORS = Registry("estimator", Estimator, attribute="ESTIMATOR", group="probekit.estimators", home=__name__)


def estimators() -> Mapping[str, Estimator]:
    """Return every estimator of this folder and of installed packages by name."""
    return ESTIMATORS.members()


def get_estimator(name: str) -> Estimator:
    """Find an estimator by name, or by the path of a file that sets ``ESTIMATOR``."""
    if name.endswith(".py"):
        return ESTIMATORS.file(Path(name))
    return ESTIMATORS.get(name, "estimator")


def estimator_for(name: str | None, task: ProbeTask) -> Estimator | None:
    """Find the estimator that a task is asked with; None: the structural probe, which alone fits trees.

    Parameters
    ----------
    name : str or None
        None: that of the kind of task. Labels, and numbers as labels of bins, are learned by :data:`DEFAULT`.
    task : ProbeTask

    Raises
    ------
    UsageError
        There is no such estimator, or it does not fit the task; those that do are named.
    """
    if task.kind == "tree":
        if name is not None:
            raise UsageError(
                f"The task '{task.name}' is over trees, which the structural probe alone fits. Got the estimator "
                f"'{name}'. Leave out --estimator; choose its size with --ranks."
            )
        return None
    estimator = get_estimator(DEFAULT if name is None else name)
    if why := _unfit(estimator, task):
        known = ", ".join(known for known, other in estimators().items() if not _unfit(other, task))
        raise UsageError(f"The estimator '{name}' {why}. Leave out --estimator, or name one that fits: {known}.")
    return estimator


def _unfit(estimator: Estimator, task: ProbeTask) -> str:
    """Return why an estimator does not fit a task; empty where it does."""
    if estimator.targets == "numbers" and task.bins is None and not task.open_labels:
        return f"predicts numbers, and the labels of '{task.name}' are names"
    if estimator.pairs and task.kind != "pair":
        return f"reads the two spans of a pair, and a target of '{task.name}' is none"
    return ""
