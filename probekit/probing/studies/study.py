"""One study: a task asked of every layer, with its floors, control, intervals and layer tests.

Enters: an open cache, settings, a task with its annotations, an estimator. Leaves: a :class:`Study`. What is asked,
labels, numbers or trees, is a :class:`~probekit.probing.question.Question` of its own; all else is alike.
Layers are scored as they pass, and analyses (``--also``) see each layer's matrix with what its fits came to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from probekit import plain
from probekit.cache.reader import ActivationCache
from probekit.devices import choose_device
from probekit.errors import ResourceError, UsageError
from probekit.features.places import group_notes
from probekit.probing.analyses import Analysis, Context, Running, get_analysis
from probekit.probing.analyses._together import together
from probekit.probing.cache_selection import find_control
from probekit.probing.contrasts import check_estimator
from probekit.probing.dataset import Source, find_sources, open_dataset
from probekit.probing.estimators import Estimator, LayerMatrix, LayerTokens, StudySettings, estimator_for
from probekit.probing.measure import Measurer, blank_row, no_control_notes, provenance_of, shared_notes
from probekit.probing.question import Question
from probekit.probing.settings import Settings
from probekit.probing.studies.labels import Labels
from probekit.probing.studies.numbers import Numbers
from probekit.probing.studies.trees.projections import STRUCTURAL
from probekit.probing.studies.trees.question import Trees
from probekit.report import SECONDS, STUDY, LayerReport, Measurement
from probekit.report.render.trees import DrawnTree
from probekit.statistics.units import units_notes
from probekit.storage.files import replace_bytes
from probekit.storage.strict import dump

KINDS: dict[str, type[Question]] = {kind.kind: kind for kind in (Labels, Numbers, Trees)}
"""What an estimator may predict (its ``targets``)."""

UNTRAINED = "random-weights"
"""The analysis that gives a task without a control its floor at every layer."""

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Study:
    """A report, and what every layer predicted on test.

    Attributes
    ----------
    report : LayerReport
    question : Question
    predicted : dict of int or str to array or list
        Codes, numbers or trees, by layer.
    """

    report: LayerReport
    question: Question
    predicted: dict[int | str, Any]

    def predictions(self) -> Iterator[dict[str, Any]]:
        """Yield what the layer chosen on dev predicts on test, one JSON-able line a target or sentence."""
        layer = self.report.best_layer().layer
        assert layer is not None
        for line in self.question.lines(self.predicted[layer]):
            yield {"layer": layer, **line}

    def write_predictions(self, path: Path) -> Path:
        """Write what :meth:`predictions` yields, one JSON object a line.

        Raises
        ------
        ResourceError
            The place cannot be written.
        """
        lines = [dump(line) for line in self.predictions()]
        try:
            replace_bytes(path, ("\n".join(lines) + "\n").encode())
        except OSError as error:
            raise ResourceError(
                f"{path} cannot be written: {error.strerror}. Choose another --predictions file."
            ) from error
        return path

    def drawn(self, count: int = 4) -> list[DrawnTree]:
        """Return the first test sentences of a handy length with the trees that the chosen layer predicts.

        Raises
        ------
        UsageError
            No trees are predicted.
        """
        layer = self.report.best_layer().layer
        assert layer is not None
        return self.question.drawn(self.predicted[layer], f"layer {layer}")[:count]


def run_probe(
    cache: ActivationCache,
    settings: Settings,
    *,
    corpus: Any = None,
    annotations: Any = (),
    probes: Any = (),
    progress: Progress | None = None,
) -> Study:
    """Probe an open cache; see :func:`~probekit.probe`."""
    return next(run_probes(cache, [settings], corpus=corpus, annotations=annotations, probes=probes, progress=progress))


def run_probes(
    cache: ActivationCache,
    settings: Sequence[Settings],
    *,
    corpus: Any = None,
    annotations: Any = (),
    probes: Any = (),
    progress: Progress | None = None,
) -> Iterator[Study]:
    """Yield a study for each of some settings, of one reading of the corpus; see :func:`~probekit.probe_tasks`."""
    if progress is not None:
        plain.called(progress, "progress")
    sources = find_sources(cache, settings, corpus=corpus, annotations=annotations, probes=probes)
    # All of them before the first study, so that none is lost to the next one's fault.
    found = [estimator_for(asked.estimator, source.task) for asked, source in zip(settings, sources, strict=True)]
    for number, (asked, source, estimator) in enumerate(zip(settings, sources, found, strict=True)):
        share = _share(progress, number, len(settings))
        yield run_study(cache, asked, source, estimator or STRUCTURAL, progress=share)


def _share(progress: Progress | None, number: int, of: int) -> Progress | None:
    """Return a progress whose end is that of one study among several."""
    if progress is None or of == 1:
        return progress
    return lambda done, note: progress((number + done) / of, f"task {number + 1} of {of}, {note}")


def run_study(
    cache: ActivationCache,
    settings: Settings,
    source: Source,
    estimator: Estimator,
    *,
    progress: Progress | None = None,
) -> Study:
    """Probe an open cache with a task."""
    clock = _Clock()
    kind, task = KINDS[estimator.targets], source.task
    settings = replace(settings, estimator=estimator.name)
    kind.check(settings, task)
    if estimator.tokens and settings.place is not None and settings.place.position.closing:
        raise UsageError(
            f"The estimator '{estimator.name}' reads words and pools them itself, and at '{settings.at}' there is one "
            "token. Leave out --at, or name another estimator."
        )
    analyses = [get_analysis(name) for name in settings.also]
    analyses += [together(settings.layers_together)] if settings.layers_together else []
    for analysis in analyses:
        analysis.check(estimator, task)
    device = choose_device(settings.device, float64=True)
    question = kind.pose(open_dataset(cache, settings, source, top=estimator.targets == "labels"), settings, device)
    contrasts = check_estimator(estimator, question)
    analyses += _unasked(question, settings)
    study = replace(_study_settings(question, device, analyses), contrasts=contrasts)
    settings = question.settings
    blank = blank_row(cache, settings, task, estimator, metric=next(iter(question.metrics)))
    measurers = {split: Measurer(question, split, blank) for split in ("dev", "test")}
    scorers = {split: measurer.scorer for split, measurer in measurers.items()}
    context = Context(question, estimator, study, scorers)
    running = {analysis.name: clock.of(analysis.name, partial(analysis.begin, context)) for analysis in analyses}
    predicted: dict[int | str, Any] = {}
    for layer, matrix, results in fitted(estimator, question, study, keep=bool(running)):
        main = {split: measurer.see(layer, results) for split, measurer in measurers.items()}
        predicted[layer] = main["test"]
        for name, one in running.items():
            clock.of(name, partial(one.see, matrix, results))
        # The loop's names would keep this layer in memory while the next one is read.
        del matrix, results, main
        if progress is not None:
            progress(len(predicted) / len(question.data.places), f"layer {layer}")
    for split, floor in question.floors(scorers):
        measurers[split].add(floor)
    rows = [row for measurer in measurers.values() for row in measurer.rows]
    beside = replace(blank, role="companion")
    for name, one in running.items():
        rows += clock.of(name, partial(_rows, one, beside))
    said = [note for name, one in running.items() for note in clock.of(name, one.notes)]
    provenance = {
        **provenance_of(
            cache,
            source.corpus,
            settings,
            task,
            metric=blank.metric,
            unit=question.parts["test"].resampled.unit,
            targets={split: part.n for split, part in question.parts.items()},
            notes=[*estimator.notes, *_notes(question, settings, untrained=UNTRAINED in running), *said],
        ),
        **question.provenance(),
        "tests": None if settings.fast else measurers["dev"].tests(),
        SECONDS: clock.seconds(),
    }
    return Study(LayerReport(tuple(rows), provenance), question, predicted)


def _rows(one: Running, blank: Measurement) -> list[Measurement]:
    return list(one.rows(blank))


class _Clock:
    """What a study takes by the clock, and of that each analysis beside it."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._spent: dict[str, float] = {}

    def of(self, analysis: str, work: Callable[[], Any]) -> Any:
        """Do what an analysis does, and return what came of it."""
        began = time.perf_counter()
        done = work()
        self._spent[analysis] = self._spent.get(analysis, 0.0) + time.perf_counter() - began
        return done

    def seconds(self) -> dict[str, float]:
        """Return the seconds of the study without its analyses, then of each of them."""
        study = time.perf_counter() - self._began - sum(self._spent.values())
        return {STUDY: round(study, 3), **{name: round(spent, 3) for name, spent in self._spent.items()}}


def fitted(
    estimator: Estimator, question: Question, study: StudySettings, *, keep: bool
) -> Iterator[tuple[int | str, LayerMatrix | LayerTokens | None, list[Any]]]:
    """Yield every layer with what its problems came to; to ``keep`` is to yield what the estimator read of it too.

    An estimator may read several layers before it yields the first.
    """
    kept: dict[int | str, LayerMatrix | LayerTokens] = {}

    def passing() -> Iterator[LayerMatrix | LayerTokens]:
        for matrix in question.data.layers(estimator):
            if keep:
                kept[matrix.layer] = matrix
            yield matrix
            # A reference left here would keep this layer in memory while the next one is read.
            del matrix

    for layer, results in estimator.study(passing(), question.problems, study):
        yield layer, kept.pop(layer, None), results
        del results


def _unasked(question: Question, settings: Settings) -> list[Analysis]:
    """Return the floor of the untrained model, if it was extracted, where there is no control to be held against."""
    lone = question.keys is None and question.plain_floor
    if not lone or settings.fast or UNTRAINED in settings.also:
        return []
    untrained = find_control(question.data.cache, UNTRAINED, question.data.places)
    if untrained is None:
        return []
    analysis = get_analysis(UNTRAINED)
    return [replace(analysis, begin=partial(analysis.begin, cache=untrained))]


def _study_settings(question: Question, device: str, analyses: Sequence[Analysis]) -> StudySettings:
    """Return what an estimator may need besides problems."""
    return StudySettings(
        question.sentences,
        question.settings.seed,
        device,
        halves=question.table.spans.shape[1] if question.settings.pair == "concat" else 1,
        overwrite=not any(analysis.looks for analysis in analyses),
        curve=any(analysis.curve for analysis in analyses),
    )


def _notes(question: Question, settings: Settings, *, untrained: bool) -> list[str]:
    """Return what a reader must know."""
    notes, data = [*question.data.source.said, *question.notes], question.data
    notes += group_notes(data.everything, prompts="messages" in data.cache.corpus.get("annotations", ()))
    if question.plain_floor and question.keys is None:
        floors = [question.plain_floor] if settings.fast else [*question.text_floors]
        notes += no_control_notes(question.task, data.cache, [*floors, *(["random_weights"] if untrained else [])])
        if settings.fast:
            notes.append("--fast: no floors of the text, and no random weights unless asked for.")
    if settings.pool in ("first", "endpoints") and data.cache.textless is None:
        notes.append(
            f"The cache does not say which tokens are a space alone, so `{settings.pool}` may read one in place of its "
            "word's text: extract again where the tokenizer makes such pieces."
        )
    notes += units_notes({split: question.parts[split].resampled for split in ("dev", "test")})
    return notes + shared_notes(settings, repeated=data.source.repeated)
