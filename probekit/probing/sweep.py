"""Probe: ask a task of every layer of a cache.

Enters: names of tasks and a cache. Leaves: a :class:`~probekit.report.LayerReport` each. Surprise: the kind of the
task and the estimator decide the study: trees have one of their own, and so have numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from probekit.cache.reader import ActivationCache
from probekit.probing.asking import Source, find_sources
from probekit.probing.choosing import find_cache
from probekit.probing.classify import classify
from probekit.probing.estimators import get_estimator
from probekit.probing.regress import regress
from probekit.probing.settings import Settings
from probekit.probing.structural.study import probe_trees
from probekit.report import LayerReport
from probekit.report.trees import DrawnTree

Progress = Callable[[float, str], None]


class Probing(Protocol):
    """What a study leaves."""

    @property
    def report(self) -> LayerReport:
        """The report."""

    def predictions(self) -> Iterable[dict[str, Any]]:
        """Return what the chosen layer predicted on test, one JSON-able line a target or sentence."""

    def drawn(self, count: int = 4) -> list[DrawnTree]:
        """Return some test sentences with predicted trees; UsageError where there are none."""


def probe(
    task: str = "pos",
    on: str | Path | ActivationCache | None = None,
    *,
    model: str | None = None,
    corpus: Any = None,
    annotations: Sequence[Any] = (),
    layers: str | Sequence[int | str] = "all",
    pool: str = "mean",
    pair: str = "concat",
    estimator: str = "logistic",
    control_seeds: int = 1,
    seed: int = 0,
    probes: Sequence[str | Path] = (),
    strict: bool = False,
    drop_repeated: bool = False,
    fast: bool = False,
    ranks: Sequence[int] = (),
    max_ram: float | None = None,
    device: str = "auto",
    also: Sequence[str] = (),
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> LayerReport:
    """Fit a probe at every layer and measure it honestly.

    Parameters
    ----------
    task : str
        ``pos``, ``morph:Number`` ...
    on : path, "random", "static" or ActivationCache, optional
        By default the newest complete cache (of ``model`` and ``corpus``, if named); ``random`` is the newest of a
        model with random weights, ``static`` that of static embeddings.
    model : str, optional
        Choose among the caches by the model's name.
    corpus : str, Path, DataFrame or Corpus, optional
        Where the annotations are, if not where the extraction read them; with ``model`` and
        without ``on`` it also chooses among the caches, by name.
    annotations : sequence of paths or Corpora
        Files that hold more annotations of the corpus; see :func:`~probekit.corpus.annotated`.
    layers : "all", str or sequence
    pool : {"mean", "first", "last", "endpoints"}
        How the tokens of a span become one vector.
    pair : {"concat", "product", "difference"}
        How the two vectors of a pair become one.
    estimator : {"logistic", "mlp", "knn", "elastic-net", "bilinear", "attention", "bilstm", "ridge"}
        ``ridge`` is for tasks whose labels are numbers; ``bilinear`` for pairs; ``attention`` and ``bilstm`` read
        the tokens of a span, or of its whole example, and learn to pool them.
    control_seeds : int
        Draws of the control task [1]_; 0: none.
    seed : int
        Of everything that is drawn.
    probes : sequence of paths
        Folders of your own tasks.
    strict : bool
        Sentences repeated across splits are an error.
    drop_repeated : bool
        Dev and test examples whose words are also a training example are left out, and counted in the notes.
    fast : bool
        No control task and 100 resamples; the report says so.
    ranks : sequence of int
        Of the projections of a task over trees [3]_; by default 64.
    max_ram : float, optional
        Memory for one layer's matrices, in GB; larger ones lie in temporary files.
    device : {"auto", "cpu", "cuda", "mps"}
    also : sequence of str
        Analyses that ride beside the study and add rows: ``online-code`` [2]_ ...
    cache : str or Path, optional
        Folder of caches.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    LayerReport

    Raises
    ------
    UsageError, InputError, CacheError, NumericError, ResourceError

    References
    ----------
    .. [1] Hewitt & Liang 2019, Designing and interpreting probes with control tasks.
    .. [2] Voita & Titov 2020, Information-theoretic probing with minimum description length.
    .. [3] Hewitt & Manning 2019, A structural probe for finding syntax in word representations.
    """
    opened = on if isinstance(on, ActivationCache) else ActivationCache.open(find_cache(on, model, corpus, cache))
    settings = Settings(
        task=task,
        layers=layers,
        pool=pool,
        pair=pair,
        estimator=estimator,
        control_seeds=0 if fast else control_seeds,
        seed=seed,
        resamples=100 if fast else 1000,
        fast=fast,
        strict=strict,
        drop_repeated=drop_repeated,
        ranks=tuple(ranks),
        max_ram=max_ram,
        device=device,
        also=tuple(also),
    )
    return run_probe(opened, settings, corpus=corpus, annotations=annotations, probes=probes, progress=progress).report


def probe_tasks(
    tasks: Sequence[str],
    on: str | Path | ActivationCache | None = None,
    *,
    corpus: Any = None,
    annotations: Sequence[Any] = (),
    probes: Sequence[str | Path] = (),
    settings: Settings | None = None,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> Iterator[LayerReport]:
    """Ask several tasks of one cache; the corpus is opened, checked and read once for all of them.

    Parameters
    ----------
    tasks : sequence of str
    on : path or ActivationCache, optional
        By default the newest complete cache.
    corpus : str, Path, DataFrame or Corpus, optional
        Where the annotations are, if not where the extraction read them.
    annotations : sequence of paths or Corpora
        Files that hold more annotations of the corpus, those of all tasks together.
    probes : sequence of paths
        Folders of your own tasks.
    settings : Settings, optional
        What all tasks are asked with (:class:`~probekit.probing.settings.Settings`); its own task is not looked at.
    cache : str or Path, optional
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
    opened = on if isinstance(on, ActivationCache) else ActivationCache.open(find_cache(on, None, corpus, cache))
    asked = [replace(settings or Settings(), task=task) for task in tasks]
    for study in run_probes(opened, asked, corpus=corpus, annotations=annotations, probes=probes, progress=progress):
        yield study.report


def run_probe(
    cache: ActivationCache,
    settings: Settings,
    *,
    corpus: Any = None,
    annotations: Sequence[Any] = (),
    probes: Sequence[str | Path] = (),
    progress: Progress | None = None,
) -> Probing:
    """Probe an open cache; see :func:`probe`."""
    return next(run_probes(cache, [settings], corpus=corpus, annotations=annotations, probes=probes, progress=progress))


def run_probes(
    cache: ActivationCache,
    settings: Sequence[Settings],
    *,
    corpus: Any = None,
    annotations: Sequence[Any] = (),
    probes: Sequence[str | Path] = (),
    progress: Progress | None = None,
) -> Iterator[Probing]:
    """Yield a study for each of some settings, of one reading of the corpus; see :func:`probe_tasks`."""
    sources = find_sources(cache, settings, corpus=corpus, annotations=annotations, probes=probes)
    for number, (asked, source) in enumerate(zip(settings, sources, strict=True)):
        yield _study(cache, asked, source, _share(progress, number, len(settings)))


def _study(cache: ActivationCache, settings: Settings, source: Source, progress: Progress | None) -> Probing:
    if source.task.kind == "tree":
        return probe_trees(cache, settings, source, progress=progress)
    if get_estimator(settings.estimator).targets == "numbers":
        return regress(cache, settings, source, progress=progress)
    return classify(cache, settings, source, progress=progress)


def _share(progress: Progress | None, number: int, of: int) -> Progress | None:
    """Return a progress whose end is that of one study among several."""
    if progress is None or of == 1:
        return progress
    return lambda done, note: progress((number + done) / of, f"task {number + 1} of {of}, {note}")
