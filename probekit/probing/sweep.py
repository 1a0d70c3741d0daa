"""Probe: ask a task of every layer of a cache, with floors, control and intervals.

Enters: a task's name and a cache. Leaves: a :class:`~probekit.report.LayerReport`. Surprise: layers are
read one ahead of the one that is fitted, so two are in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.cache.reader import ActivationCache
from probekit.corpus.example import SPLITS
from probekit.errors import UsageError, did_you_mean
from probekit.probing.analyses import Ride, Scene, get_analysis
from probekit.probing.asking import Asked, ask, find_source
from probekit.probing.choosing import find_cache
from probekit.probing.control import control_codes
from probekit.probing.estimators import LayerMatrix, StudySettings, get_estimator
from probekit.probing.measure import LayerOutcome, LayerTests, Measurer
from probekit.probing.metrics import metrics_of
from probekit.probing.problem import Problem
from probekit.probing.provenance import provenance_of
from probekit.probing.question import Question
from probekit.probing.settings import Settings
from probekit.report import LayerReport, Measurement

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Probing:
    """A report, and what the chosen layer predicted on test.

    Attributes
    ----------
    report : LayerReport
    question : Question
    outcomes : list of LayerOutcome
        Predictions of every layer, for error analysis.
    """

    report: LayerReport
    question: Question
    outcomes: list[LayerOutcome]


def probe(
    task: str = "pos",
    on: str | Path | ActivationCache | None = None,
    *,
    model: str | None = None,
    corpus: Any = None,
    annotations: Sequence[Any] = (),
    layers: str | Sequence[int | str] = "all",
    pool: str = "mean",
    estimator: str = "logistic",
    control_seeds: int = 1,
    seed: int = 0,
    probes: Sequence[str | Path] = (),
    strict: bool = False,
    fast: bool = False,
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
    on : path or ActivationCache, optional
        By default the newest complete cache (of ``model`` and ``corpus``, if named).
    model : str, optional
        Choose among the caches by the model's name.
    corpus : str, Path, DataFrame or Corpus, optional
        Where the annotations are, if not where the extraction read them; with ``model`` and
        without ``on`` it also chooses among the caches, by name.
    annotations : sequence of paths or Corpora
        Files that hold more annotations of the corpus; see :func:`~probekit.corpus.annotated`.
    layers : "all", str or sequence
    pool : {"mean", "first", "last"}
        How the tokens of a span become one vector.
    estimator : {"logistic", "mlp"}
    control_seeds : int
        Draws of the control task [1]_; 0: none.
    seed : int
        Of everything that is drawn.
    probes : sequence of paths
        Folders of your own tasks.
    strict : bool
        Sentences repeated across splits are an error.
    fast : bool
        No control task and 100 resamples; the report says so.
    max_ram : float, optional
        Memory for one layer's matrix, in GB.
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
    """
    opened = on if isinstance(on, ActivationCache) else ActivationCache.open(find_cache(on, model, corpus, cache))
    settings = Settings(
        task=task,
        layers=layers,
        pool=pool,
        estimator=estimator,
        control_seeds=0 if fast else control_seeds,
        seed=seed,
        resamples=100 if fast else 1000,
        fast=fast,
        strict=strict,
        max_ram=max_ram,
        device=device,
        also=tuple(also),
    )
    return run_probe(opened, settings, corpus=corpus, annotations=annotations, probes=probes, progress=progress).report


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
    estimator = get_estimator(settings.estimator)
    device = device_for(settings.device)
    source = find_source(cache, settings, corpus=corpus, annotations=annotations, probes=probes)
    metrics = metrics_of(source.task.metrics)
    asked = ask(cache, settings, source)
    question = asked.question
    controls = _controls(question, settings)
    problems = _problems(question, controls)
    study = StudySettings(question.sentences, settings.seed, device)
    scene = Scene(cache, question, problems, study, settings.estimator, settings.resamples)
    ride = Ride([get_analysis(name).begin(scene) for name in settings.also])
    outcomes: list[LayerOutcome] = []
    for layer, results in estimator.study(ride.watch(_matrices(cache, asked)), problems, study):
        outcomes.append(LayerOutcome(layer, results[0], results[1:]))
        ride.see(layer, results)
        if progress is not None:
            progress(len(outcomes) / len(asked.places), f"layer {layer}")
    blank = Measurement(
        stage="probe",
        task=source.task.name,
        model=cache.model["name"],
        corpus=cache.corpus["name"],
        split="test",
        layer=None,
        method=settings.estimator,
        metric="accuracy",
        value=None,
        pooling=settings.pool,
        seed=settings.seed if estimator.seeded else None,
    )
    measurers = [
        Measurer(
            question,
            blank,
            split=split,
            control_codes=controls,
            resamples=settings.resamples,
            draw=settings.seed,
            metrics=metrics,
        )
        for split in ("dev", "test")
    ]
    rows = [row for measurer in measurers for row in measurer.rows(outcomes)]
    tests = None if settings.fast else LayerTests(measurers[0], outcomes).to_json()
    provenance = provenance_of(cache, source.corpus, settings, question, tests=tests, repeated=source.repeated)
    provenance["notes"] += ride.notes()
    rows += ride.rows(blank)
    return Probing(LayerReport(tuple(rows), provenance), question, outcomes)


def device_for(name: str) -> str:
    """Return the device that a name means; ``auto`` is CUDA where there is one, else the CPU.

    Apple's GPU is not chosen by itself: the solver works in float64 where it decides.
    """
    choices = ("auto", "cpu", "cuda", "mps")
    if name not in choices:
        raise UsageError(
            f"The `device` option must be one of {', '.join(choices)}. Got '{name}'.{did_you_mean(name, choices)}"
        )
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[name]:
        raise UsageError(f"The `device` option says '{name}', but torch sees no such device here. Use auto or cpu.")
    return name


def _matrices(cache: ActivationCache, asked: Asked) -> Iterator[LayerMatrix]:
    """Yield one layer's matrix after the other; the next is read while the last is used."""

    def read(place: tuple[str, int | str]) -> NDArray[np.float32]:
        stack, layer = place
        return asked.poolers[stack].matrix(cache.layer(layer, stack))

    train, dev, test = (asked.question.parts[split].rows for split in SPLITS)
    with ThreadPoolExecutor(1, "read") as ahead:
        upcoming = [ahead.submit(read, asked.places[0])]
        for number, (stack, layer) in enumerate(asked.places):
            X = upcoming.pop().result()
            upcoming.extend(ahead.submit(read, place) for place in asked.places[number + 1 : number + 2])
            yield LayerMatrix(f"{stack}:{layer}" if stack else layer, X[train], X[dev], X[test])


def _controls(question: Question, settings: Settings) -> list[NDArray[np.int32]]:
    if question.keys is None:
        return []
    y = question.parts["train"].y
    return [
        control_codes(question.keys, y, n_classes=len(question.classes), seed=settings.seed + draw)
        for draw in range(settings.control_seeds)
    ]


def _problems(question: Question, controls: Sequence[NDArray[np.int32]]) -> list[Problem]:
    train, dev, test = (question.parts[split] for split in SPLITS)
    n_classes = len(question.classes)
    task = Problem("task", train.y, dev.y, test.y, n_classes)
    drawn = [
        Problem(f"control {draw}", codes[train.rows], codes[dev.rows], codes[test.rows], n_classes)
        for draw, codes in enumerate(controls)
    ]
    return [task, *drawn]
