"""From a cache and a task to a map of its layers: :func:`project`.

Enters: what a probe is asked with, and a method. Leaves: a :class:`~probekit.viewing.MapReport`. Surprise: vectors are
standardised as a probe's are, by the training part, with one scale for all dimensions: distances keep their order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from probekit import __version__, plain
from probekit.cache.format.names import model_name
from probekit.cache.notes import cache_notes
from probekit.cache.reader import ActivationCache
from probekit.corpus import open_corpus
from probekit.errors import UsageError
from probekit.features.labels import named
from probekit.probing.cache_selection import open_cache
from probekit.probing.dataset import Dataset, find_sources, open_dataset
from probekit.probing.problem import Standardiser
from probekit.probing.settings import LARGEST_SEED, Settings
from probekit.report import LayerReport, Measurement
from probekit.sites import join_layer
from probekit.tasks import ProbeTask
from probekit.viewing.maps import quality
from probekit.viewing.maps.colouring import colours_of
from probekit.viewing.maps.points import LABEL, Points, choose_points, order_of, read_splits
from probekit.viewing.maps.report import AGREEMENT, CONTINUITY, EXPLAINED, STAGE, TRUST, MapReport
from probekit.viewing.projections import PROJECTIONS, FloatArray, Projected, Projection

MEASURED = 2000
"""Points that trustworthiness and continuity are measured on: both need every distance between two of them."""
NEIGHBOURS = 10
DIGITS = 6
Progress = Callable[[float, str], None]
_THINGS = {"word": "words", "span": "spans", "pair": "pairs", "sentence": "sentences"}


def project(
    method: str = "pca",
    on: str | os.PathLike[str] | ActivationCache | LayerReport | None = None,
    *,
    task: str | ProbeTask = "pos",
    by: str = LABEL,
    layers: str | int | Iterable[int | str] = "all",
    pool: str = "mean",
    pair: str = "concat",
    at: str | None = None,
    split: str | Iterable[str] = "train,dev",
    points: int | None = None,
    breadth: float | None = None,
    neighbours: int = NEIGHBOURS,
    seed: int = 0,
    corpus: Any = None,
    annotations: Any = (),
    probes: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    cache: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> MapReport:
    """Lay the vectors that a probe of a task would read on a plane, layer by layer.

    Parameters
    ----------
    method : {"pca", "tsne", "umap"}
        Or any that is registered.
    on : path, "random", "static", ActivationCache, Extraction or LayerReport, optional
        By default the newest complete cache.
    task : str or ProbeTask
        Which words, spans, pairs or sentences are shown, and their label.
    by : str
        What they are coloured by: ``label``, ``split``, ``document``, ``length``, ``position``, an annotation of the
        examples, or another task over the same targets.
    layers, pool, pair, at
        As :func:`~probekit.probe` takes them. Several layers are turned to one another (orthogonal Procrustes) and
        brought to one spread.
    split : str or iterable of str
        Parts to show. PCA learns from the training part whatever is shown.
    points : int, optional
        At most so many, chosen by a hash; by default 5,000, and of PCA all.
    breadth : float, optional
        The perplexity of t-SNE (30), or the neighbours of UMAP (15).
    neighbours : int
        k of trustworthiness and continuity.
    seed : int
        Of the choice of points, and of t-SNE and UMAP.
    corpus, annotations, probes, cache
        As :func:`~probekit.probe` takes them.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    MapReport

    Raises
    ------
    UsageError, InputError, CacheError, NumericError
    """
    projection = PROJECTIONS.get(plain.text(method, "method"), "method")
    asked = _Asked(
        projection, plain.text(by, "by"), read_splits(split),
        projection.points if points is None else plain.whole(points, "points", least=4),
        _breadth(projection, breadth), plain.whole(neighbours, "neighbours", least=1),
        plain.whole(seed, "seed", least=0, most=min(LARGEST_SEED, 2**32 - 1)),
    )  # fmt: skip
    settings = Settings(task=task, layers=layers, pool=pool, pair=pair, at=at, seed=asked.seed)  # type: ignore[arg-type]
    opened = open_cache(on, None, None, cache)
    corpus = None if corpus is None else open_corpus(corpus)
    source = find_sources(opened, [settings], corpus=corpus, annotations=annotations, probes=probes)[0]
    if source.task.kind == "tree":
        raise UsageError(
            f"The task '{source.task.name}' labels words with the place of their head in the sentence, which is no "
            "property to see on a map. View pos, deprel or position."
        )
    dataset = open_dataset(opened, settings, source)
    shown = choose_points(
        dataset, asked.by, splits=asked.splits, most=asked.most, seed=asked.seed, at=at, probes=probes
    )
    quality.check_neighbours(asked.neighbours, min(len(shown.rows), MEASURED))
    return _Maps(dataset, asked, shown).report(settings, progress)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked for, checked."""

    projection: Projection
    by: str
    splits: tuple[str, ...]
    most: int | None
    breadth: float
    neighbours: int
    seed: int


def _breadth(projection: Projection, given: float | None) -> float:
    if given is None:
        return projection.default
    if not projection.breadth:
        raise UsageError(f"The method '{projection.name}' has no perplexity and no neighbours. Leave `breadth` out.")
    number = plain.as_real(given)
    if number is None or not 1 < number < float("inf"):
        raise plain.refused("breadth", f"a number above 1, the {projection.breadth} of {projection.name}", given)
    return number


class _Maps:
    """The maps of the layers as they pass, each turned to the one before."""

    def __init__(self, dataset: Dataset, asked: _Asked, points: Points) -> None:
        self.dataset, self.asked, self.points = dataset, asked, points
        self.rows: list[Measurement] = []
        self.places: dict[str, dict[str, list[float]]] = {}
        self.turned: dict[str, Any] = {}
        self.different: dict[int | str, int] = {}
        self.made_with = ""
        n = len(points.rows)
        numbers = order_of(points.table, range(n), asked.seed)
        self.measured = np.sort(np.argsort(numbers, kind="stable")[:MEASURED]) if n > MEASURED else np.arange(n)
        self._before: FloatArray | None = None

    def report(self, settings: Settings, progress: Progress | None) -> MapReport:
        """Read, project and measure every layer."""
        several = len(self.dataset.places) > 1
        for number, (stack, layer) in enumerate(self.dataset.places):
            name = join_layer(stack, layer)
            if progress is not None:
                progress(number / len(self.dataset.places), f"layer {name}")
            X = self.dataset.poolers[stack].matrix(self.dataset.cache.layer(layer, stack))
            standardiser = Standardiser.fit(X[self.dataset.table.part("train")])
            shown = standardiser.transform(X[self.points.rows], overwrite=True)
            train = standardiser.transform(X[self.dataset.table.part("train")], overwrite=True)
            found = self.asked.projection.project(shown, train, self.asked.breadth, self.asked.seed)
            self._keep(name, shown, found, several)
        return MapReport(tuple(self.rows), self._provenance(settings))

    def _keep(self, layer: int | str, shown: FloatArray, found: Projected, several: bool) -> None:
        places: FloatArray = np.asarray(found.places, np.float64)
        self.made_with = found.made_with
        agreement = None
        if several:
            places, spread = quality.unit_spread(places)
            rotation: FloatArray = np.eye(2)
            if self._before is not None:
                turned = quality.turn(places, self._before)
                places, rotation, agreement = turned.places, turned.rotation, turned.agreement
            self.turned[str(layer)] = {"divided_by": spread, "rotation": rotation.tolist()}
            self._before = places
        # As they are written, so that who reads them measures the same.
        x, y = ([float(f"{value:.{DIGITS}g}") for value in places[:, axis].tolist()] for axis in (0, 1))
        self.places[str(layer)] = {"x": x, "y": y}
        written: FloatArray = np.column_stack([x, y])
        here, k = self.measured, self.asked.neighbours
        numbers = {
            TRUST: quality.trustworthiness(shown[here], written[here], k),
            CONTINUITY: quality.continuity(shown[here], written[here], k),
        }
        self._add(layer, numbers, len(here), f"k {k}")
        self._add(layer, dict(zip(EXPLAINED, found.explained, strict=False)), None, "of the training part")
        if agreement is not None:
            self._add(layer, {AGREEMENT: agreement}, len(shown), "with the map before")
        if (different := quality.distinct(shown)) < len(shown):
            self.different[layer] = different

    def _add(self, layer: int | str, numbers: dict[str, float], n: int | None, note: str) -> None:
        cache = self.dataset.cache
        row = Measurement(
            stage=STAGE, task=self.dataset.source.task.name, model=model_name(cache.model),
            corpus=cache.corpus["name"], split="+".join(self.asked.splits), layer=layer,
            method=self.asked.projection.name, role="companion", metric=TRUST, value=None, n=n, note=note,
        )  # fmt: skip
        self.rows += [replace(row, metric=metric, value=value) for metric, value in numbers.items()]

    def _provenance(self, settings: Settings) -> dict[str, Any]:
        cache, task, asked = self.dataset.cache, self.dataset.source.task, self.asked
        record = self.dataset.source.corpus.source
        return {
            "task": task.name,
            "model": dict(cache.model),
            "corpus": {**cache.corpus, "annotations_from": None if record is None else record.to_json()},
            "cache": str(cache.path),
            "settings": {
                "method": asked.projection.name, "made_with": self.made_with, "by": asked.by,
                "split": " and ".join(asked.splits), "things": _THINGS[task.kind], "fitted_to": asked.projection.said,
                "layers": settings.to_json()["layers"], "pool": settings.pool, "pair": settings.pair, "at": settings.at,
                "points": asked.most, "seed": asked.seed, "neighbours": asked.neighbours,
                **({asked.projection.breadth: asked.breadth} if asked.projection.breadth else {}),
                "reference": asked.projection.reference, "probekit": __version__,
            },
            "points": self.points.to_json(),
            "places": self.places,
            "sentences": self.points.sentences,
            "turned": self.turned,
            "notes": self._notes(),
        }  # fmt: skip

    def _notes(self) -> list[str]:
        dataset, asked, n = self.dataset, self.asked, len(self.points.rows)
        train = dataset.table.part("train")
        notes = [*dataset.source.corpus.remarks, *cache_notes(dataset.cache), *dataset.source.said, *self.points.notes]
        if dataset.left_out:
            notes.append(f"Left out as too rare for the task: {named(dataset.left_out)}.")
        if lost := dataset.table.without_token:
            notes.append(f"{lost.total():,} targets that no token covers are left out: {named(lost)}.")
        centre = f"Vectors are centred and scaled by the {train.stop - train.start:,} training targets, as a probe's."
        notes.append(f"{centre} Made with {self.made_with}.")
        if asked.projection.points is not None and asked.splits == ("test",):
            notes.append(f"{asked.projection.name} was fitted to the test part alone: it has no part that learns.")
        if note := colours_of(self.points.values).note:
            notes.append(note)
        of = "all points" if len(self.measured) == n else f"{len(self.measured):,} of the points, by the same hash"
        notes.append(f"Trustworthiness and continuity are of k = {asked.neighbours} neighbours among {of}.")
        if self.turned:
            notes.append(
                "Every map is divided by its spread and turned, perhaps reflected, to the one before (orthogonal "
                "Procrustes): directions can be compared between layers, sizes cannot."
            )
        if self.different:
            told = ", ".join(f"{count:,} in layer {layer}" for layer, count in self.different.items())
            notes.append(
                f"The {n:,} points have fewer different vectors: {told}. Those that coincide hide one another, "
                "and their order as neighbours is arbitrary."
            )
        return notes
