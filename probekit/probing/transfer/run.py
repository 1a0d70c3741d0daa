"""Train on one data set, test on each other: whether a probe reads its question, or what its data set looks like.

Enters: caches of one model, a data set each, and a task that each of them answers. Leaves: a
:class:`~probekit.probing.transfer.report.TransferReport`, a row a pair. Surprise: layer and strength are chosen on dev
of the data set that is trained on and nowhere else, so that no test of another data set had a part in them; all tests
of a layer are predicted in one pass, and each layer of a cache is read once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit import __version__, plain
from probekit.cache.notes import cache_notes
from probekit.devices import choose_device
from probekit.errors import UsageError
from probekit.model_names import same_weights
from probekit.probing.cache_selection import find_caches
from probekit.probing.contrasts import Contrasts
from probekit.probing.dataset import Place, read_layers
from probekit.probing.estimators import Estimator, LayerMatrix, StudySettings
from probekit.probing.floors import majority_code, shares_of
from probekit.probing.measure import blank_row, fitted, rows_of
from probekit.probing.problem import Problem, Result
from probekit.probing.question import Floor, Scorer
from probekit.probing.settings import Settings
from probekit.probing.studies.study import Progress
from probekit.probing.surface import TEXT_FLOORS, words_of
from probekit.probing.transfer.report import FROM, OVER, STAGE, TransferReport
from probekit.probing.transfer.shared import keys_by_split, shared_notes
from probekit.probing.transfer.sides import Side, check_model, sides_of
from probekit.report import Measurement
from probekit.sites import join_layer
from probekit.statistics.units import resampled_notes
from probekit.tasks import ProbeTask


@dataclass(frozen=True, slots=True)
class Best:
    """What the layer chosen on dev says of the tests of all data sets, one behind the other."""

    layer: int | str
    result: Result


def transfer(
    on: Sequence[str | os.PathLike[str]],
    *,
    task: str | ProbeTask | Sequence[str | ProbeTask] = "label",
    layers: str | int | Iterable[int | str] = "all",
    pool: str = "mean",
    at: str | None = None,
    estimator: str | None = None,
    metrics: str | Sequence[str] = (),
    seed: int = 0,
    probes: Any = (),
    device: str = "auto",
    cache: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> TransferReport:
    """Fit a probe on each data set, and test it on all of them.

    Parameters
    ----------
    on : sequence of path
        Two caches or more of one model, each of another data set.
    task : str, ProbeTask or a sequence of them
        What every data set is asked, or one for each; their labels must be the same.
    layers : "all", str, int, or an iterable of layers
        Of which dev of the data set that is trained on chooses.
    pool, at : str
        As :func:`~probekit.probe` takes them: how tokens become a vector, and where in each example is read.
    estimator : str, optional
        Any of labels that reads one vector a target; ``logistic`` by default.
    metrics : str or sequence of str
        Beside accuracy and macro F1.
    seed : int
    probes : path or sequence of paths
        Folders of your own tasks.
    device : {"auto", "cpu", "cuda", "mps"}
    cache : path, optional
        Folder of caches.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    TransferReport

    Raises
    ------
    UsageError
        Fewer than two caches, of different models or layers, one data set twice, or labels that have nothing in common.
    InputError, CacheError, NumericError, ResourceError
    """
    folders = plain.paths(on, "on")
    if len(folders) < 2:
        raise UsageError(f"Transfer is between data sets: give two caches or more. Got {len(folders)}.")
    tasks = [task] if isinstance(task, str | ProbeTask) else list(task)
    if len(tasks) not in (1, len(folders)):
        raise UsageError(f"Give one `task` for all data sets, or one for each of {len(folders)}. Got {len(tasks)}.")
    common = Settings(
        layers=layers, pool=pool, at=at, estimator=estimator,  # type: ignore[arg-type]  # read by Settings
        control_seeds=0, seed=seed, device=device, metrics=metrics,  # type: ignore[arg-type]
    )  # fmt: skip
    settings = [replace(common, task=one) for one in (tasks if len(tasks) > 1 else tasks * len(folders))]
    root = None if cache is None else plain.path(cache, "cache")
    caches = [found.cache for found in find_caches(folders, None, None, root)]
    check_model(caches)
    chosen, sides = sides_of(caches, settings, probes)
    places = sides[0].question.data.places
    best = _fit(chosen, sides, places, choose_device(device, float64=True), seed, progress)
    rows = [row for side, found in zip(sides, best, strict=True) for row in _rows(chosen, side, found, sides)]
    return TransferReport(tuple(rows), _provenance(chosen, sides, settings))


def _fit(
    estimator: Estimator,
    sides: Sequence[Side],
    places: Sequence[Place],
    device: str,
    seed: int,
    progress: Progress | None,
) -> list[Best]:
    """Fit every data set at every layer, and keep what the best layer on its own dev says of all tests."""
    posed = [_problem(side, sides) for side in sides]
    best: list[Best | None] = [None] * len(sides)
    for number, place in enumerate(places):
        read = [_read(side, place) for side in sides]
        tests = np.concatenate([matrix.test for matrix in read])
        for at, (side, problem) in enumerate(zip(sides, posed, strict=True)):
            matrix = replace(read[at], test=tests)
            study = StudySettings(side.question.sentences, seed, device, contrasts=_contrasts(side, sides))
            ((layer, (result,)),) = estimator.study(iter([matrix]), [problem], study)
            kept = best[at]
            if kept is None or result.dev_score > kept.result.dev_score:
                best[at] = Best(layer, result)
        if progress is not None:
            progress((number + 1) / len(places), f"layer {join_layer(*place)}")
    return [one for one in best if one is not None]


def _read(side: Side, place: Place) -> LayerMatrix:
    data = side.question.data
    (matrix,) = read_layers(side.cache, data.poolers, [place])
    return matrix


def _problem(side: Side, sides: Sequence[Side]) -> Problem:
    """Return the problem of a data set whose test is that of all of them, in its own codes."""
    tests = [_in_codes_of(side, other)[other.question.parts["test"].rows] for other in sides]
    return replace(side.problem, y_test=np.concatenate(tests))


def _in_codes_of(side: Side, other: Side) -> NDArray[np.int32]:
    """Return the codes of another data set's labels among the classes of this one, -1 where it has none."""
    known = {label: code for code, label in enumerate(side.question.classes)}
    return np.array([known.get(str(label), -1) for label in other.question.labels], np.int32)


def _contrasts(side: Side, sides: Sequence[Side]) -> Contrasts | None:
    if side.contrasts is None:
        return None
    groups, start = [], 0
    for other in sides:
        assert other.contrasts is not None
        groups.append(other.contrasts["test"] + start)
        start += int(other.contrasts["test"].max(initial=-1)) + 1
    return {**side.contrasts, "test": np.concatenate(groups)}


def _rows(estimator: Estimator, side: Side, best: Best, sides: Sequence[Side]) -> Iterator[Measurement]:
    """Yield what one data set teaches: its choice on dev, then of every test the probe, the floors, the gain."""
    question = side.question
    blank = replace(blank_row(side.cache, question.settings, question.task, estimator, metric="accuracy"), stage=STAGE)
    blank = fitted(replace(blank, layer=best.layer, method=f"{estimator.name}{FROM}{side.name}"), best.result)
    dev = question.scorer(question.parts["dev"])
    yield from rows_of(dev.metrics, dev.row(replace(blank, corpus=side.name)), dev.of(best.result))
    words = {other.name: words_of(other.question.table, other.cache.examples()) for other in sides}
    own = words[side.name]
    texts = {"train": own["train"], "dev": own["dev"], **{f"test {name}": its["test"] for name, its in words.items()}}
    gold = {"train": side.problem.y_train, "dev": side.problem.y_dev}
    guesses = {name: guess(texts, gold) for name, guess in TEXT_FLOORS.items() if name != "bag_of_words"}
    start = 0
    for other in sides:
        scorer = _scorer(side, other)
        n = len(scorer.part.rows)
        cut = slice(start, start + n)
        start += n
        proba = {split: part[cut] for split, part in best.result.proba.items() if split == "test"}
        probe = scorer.of(replace(best.result, test_codes=best.result.test_codes[cut], proba=proba))
        row = scorer.row(replace(blank, corpus=other.name))
        yield from rows_of(scorer.metrics, row, probe)
        bare = replace(row, layer=None, strength=None, pooling=None, seed=None, note="")
        majority, shares = majority_code(gold["train"]), shares_of(gold["train"], len(question.classes))
        floors = [Floor("majority", np.full(n, majority, np.int32), proba=np.tile(shares, (n, 1)))]
        at = f"test {other.name}"
        floors += [Floor(name, guess.codes[at], proba=guess.proba[at]) for name, guess in guesses.items()]
        for floor in floors:
            scores = scorer.of_floor(floor)
            method = f"{floor.method}{FROM}{side.name}"
            yield from rows_of(scorer.metrics, replace(bare, method=method, role="floor"), scores)
            if floor.method == "tfidf":
                gain = [(a - c, b - d) for (a, b), (c, d) in zip(probe[:1], scores[:1], strict=True)]
                method = f"{estimator.name}{OVER}tfidf{FROM}{side.name}"
                yield from rows_of(scorer.metrics, replace(bare, method=method, role="difference"), gain)


def _scorer(side: Side, other: Side) -> Scorer:
    """Return what scores the test of another data set in the classes of this one."""
    asked = replace(other.question, classes=side.question.classes, codes=[_in_codes_of(side, other)])
    return asked.scorer(asked.parts["test"])


def _provenance(estimator: Estimator, sides: Sequence[Side], settings: Sequence[Settings]) -> dict[str, Any]:
    notes = [
        *estimator.notes,
        "Layer and strength are chosen on dev of the data set that is trained on; every test is only predicted.",
    ]
    notes += shared_notes({side.name: keys_by_split(side.cache.examples()) for side in sides})
    notes += same_weights(side.cache.model for side in sides)
    cached = {side.name: cache_notes(side.cache) for side in sides}
    notes += [note for note in cached[sides[0].name] if all(note in its for its in cached.values())]
    for side in sides:
        notes += [f"{side.name}: {note}" for note in cached[side.name] if note not in notes]
        notes += [f"{side.name}: {note}" for note in (*side.question.data.source.said, *side.question.notes)]
        notes += [f"{side.name}: {note}" for note in resampled_notes({"test": side.question.parts["test"].resampled})]
        for other in sides:
            unknown = sorted(set(other.question.classes) - set(side.question.classes))
            if unknown:
                notes.append(f"Labels of {other.name} that {side.name} does not train count as errors: {unknown}.")
    return {
        "task": ", ".join(dict.fromkeys(side.question.task.name for side in sides)),
        "tasks": [side.question.task.name for side in sides],
        "model": dict(sides[0].cache.model),
        "corpora": [dict(side.cache.corpus) for side in sides],
        "caches": [str(side.cache.path) for side in sides],
        "data": [side.name for side in sides],
        "targets": {side.name: {split: part.n for split, part in side.question.parts.items()} for side in sides},
        "settings": {**settings[0].to_json(), "estimator": estimator.name, "probekit": __version__},
        "notes": list(dict.fromkeys(notes)),
    }
