"""Probe: ask a task of every layer of a cache.

Enters: names of tasks and a cache. Leaves: a :class:`~probekit.report.LayerReport` each. All take one road,
:mod:`probekit.probing.studies.study`; what its estimator predicts, labels, numbers or trees, decides what is asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from probekit import plain
from probekit.cache.reader import ActivationCache
from probekit.corpus import Corpus, open_corpus
from probekit.probing.cache_selection import open_cache
from probekit.probing.settings import Settings
from probekit.probing.studies.study import Progress, run_probe, run_probes
from probekit.report import LayerReport
from probekit.tasks import ProbeTask


def probe(
    task: str | ProbeTask = "pos",
    on: str | os.PathLike[str] | ActivationCache | LayerReport | None = None,
    *,
    model: str | os.PathLike[str] | None = None,
    corpus: Any = None,
    annotations: Any = (),
    layers: str | int | Iterable[int | str] = "all",
    pool: str = "mean",
    pair: str = "concat",
    at: str | None = None,
    estimator: str | None = None,
    control_seeds: int | None = None,
    seed: int = 0,
    probes: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    strict: bool = False,
    drop_repeated: bool = False,
    fast: bool = False,
    ranks: int | Iterable[int] = (),
    max_ram: float | None = None,
    device: str = "auto",
    also: str | Sequence[str] = (),
    metrics: str | Sequence[str] = (),
    layers_together: str | Iterable[int | str] = (),
    cache: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> LayerReport:
    """Fit a probe at every layer and measure it honestly.

    Parameters
    ----------
    task : str or ProbeTask
        ``pos``, ``morph:Number`` ...; or a question of your own.
    on : path, "random", "static", ActivationCache, Extraction or LayerReport, optional
        By default the newest complete cache (of ``model`` and ``corpus``, if named); ``random`` is the newest of a
        model with random weights, ``static`` that of static embeddings; what :func:`~probekit.extract` returned; of a
        report the cache that it was made from.
    model : str or path, optional
        Choose among the caches by the model's name.
    corpus : str, Path, DataFrame or Corpus, optional
        Where the annotations are, if not where the extraction read them; with ``model`` and
        without ``on`` it also chooses among the caches, by name.
    annotations : path or Corpus, or a sequence of them
        Files that hold more annotations of the corpus; see :func:`~probekit.corpus.annotated`.
    layers : "all", str, int, or an iterable of layers
    pool : {"mean", "first", "last", "endpoints"}
        How the tokens of a span become one vector; first is the first one with text, not a space alone.
    pair : {"concat", "product", "difference"}
        How the two vectors of a pair become one.
    at : str, optional
        Where a question about a whole example is read: ``last``, ``last-prompt``, ``assistant``, ``mark:NAME``,
        ``sentence:K``; by default in all of its words. Examples without such a place are left out, counted and named.
    estimator : str, optional
        The name of any that is registered: ``logistic``, the default of labels, ``mlp``, ``knn``, ``elastic-net``;
        ``ridge`` for tasks whose labels are numbers; ``bilinear`` for pairs; ``attention`` and ``bilstm`` read the
        tokens of a span, or of its whole example, and learn to pool them. A task over trees has the structural
        probe [3]_ and no other.
    control_seeds : int, optional
        Draws of the control task [1]_; 0: none. By default 1, and none of a fast run.
    seed : int
        Of everything that is drawn.
    probes : path or sequence of paths
        Folders of your own tasks.
    strict : bool
        Sentences repeated across splits are an error.
    drop_repeated : bool
        Dev and test examples whose words are also a training example are left out, and counted in the notes.
    fast : bool
        No control task, unless ``control_seeds`` are given, 100 resamples, no tests between layers; the report says so.
    ranks : int or iterable of int
        Of the projections of a task over trees [3]_; by default 64.
    max_ram : float, optional
        Memory for one layer's matrices, in GB; larger ones lie in temporary files.
    device : {"auto", "cpu", "cuda", "mps"}
    also : str or sequence of str
        Analyses beside the study, which add rows: ``online-code`` [2]_ ...
    metrics : str or sequence of str
        What labels are scored by besides accuracy, macro F1 and what the task names: any that fits them.
    layers_together : "all", str or an iterable of layers
        One more probe, of the vectors of these layers one behind the other, each on its own scale.
    cache : path, optional
        Folder of caches.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    LayerReport

    Raises
    ------
    UsageError, InputError, CacheError, NumericError, ResourceError

    Notes
    -----
    A number may be one of numpy, torch or pandas, a path whatever knows its own (`os.PathLike`), and where a sequence
    is read one entry stands for itself. Anything else than what is listed here is a UsageError; nothing is left out.

    References
    ----------
    .. [1] Hewitt & Liang 2019, Designing and interpreting probes with control tasks.
    .. [2] Voita & Titov 2020, Information-theoretic probing with minimum description length.
    .. [3] Hewitt & Manning 2019, A structural probe for finding syntax in word representations.
    """
    settings = Settings(
        task=task,
        layers=layers,  # type: ignore[arg-type]  # read by Settings, as all others
        pool=pool,
        pair=pair,
        at=at,
        estimator=estimator,
        control_seeds=control_seeds,
        seed=seed,
        fast=fast,
        strict=strict,
        drop_repeated=drop_repeated,
        ranks=ranks,  # type: ignore[arg-type]
        max_ram=max_ram,
        device=device,
        also=also,  # type: ignore[arg-type]
        metrics=metrics,  # type: ignore[arg-type]
        layers_together=layers_together,  # type: ignore[arg-type]
    )
    corpus = _once(corpus)
    opened = open_cache(on, model, corpus, cache)
    return run_probe(opened, settings, corpus=corpus, annotations=annotations, probes=probes, progress=progress).report


def probe_tasks(
    tasks: str | ProbeTask | Iterable[str | ProbeTask],
    on: str | os.PathLike[str] | ActivationCache | LayerReport | None = None,
    *,
    corpus: Any = None,
    annotations: Any = (),
    probes: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    settings: Settings | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Iterator[LayerReport]:
    """Ask several tasks of one cache; the corpus is opened, checked and read once for all of them.

    Parameters
    ----------
    tasks : str or ProbeTask, or an iterable of them
    on : path, ActivationCache, Extraction or LayerReport, optional
        By default the newest complete cache; see :func:`probe`.
    corpus : str, Path, DataFrame or Corpus, optional
        Where the annotations are, if not where the extraction read them.
    annotations : path or Corpus, or a sequence of them
        Files that hold more annotations of the corpus, those of all tasks together.
    probes : path or sequence of paths
        Folders of your own tasks.
    settings : Settings, optional
        What all tasks are asked with (:class:`~probekit.probing.settings.Settings`); its own task is not looked at.
    cache : path, optional
        Folder of caches.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Yields
    ------
    LayerReport
        One a task, in their order, each as soon as it is done.

    Raises
    ------
    UsageError, InputError, CacheError, NumericError, ResourceError
    """
    wanted = "the name of a task, a ProbeTask, or a list of them"
    if isinstance(tasks, ProbeTask) or isinstance(plain.scalar(tasks), str):
        tasks = (tasks,)  # type: ignore[assignment]
    common = Settings() if settings is None else plain.one_of(settings, "settings", Settings, "a Settings")
    asked = [replace(common, task=task) for task in plain.listed(tasks, "tasks", wanted)]
    corpus = _once(corpus)
    opened = open_cache(on, None, corpus, cache)
    for study in run_probes(opened, asked, corpus=corpus, annotations=annotations, probes=probes, progress=progress):
        yield study.report


def _once(corpus: Any) -> Corpus | None:
    """Open a corpus that is given, so that one of an iterator, which ends for good, can be read again."""
    return None if corpus is None else open_corpus(corpus)
