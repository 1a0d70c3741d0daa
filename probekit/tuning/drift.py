"""How far tuning moved each layer: the similarity of a model's layers before and after, over one corpus.

Enters: two caches of the same tokens. Leaves: a :class:`Drift`: a similarity by layer with interval and floor.
Surprise: a layer that did not train has 1; layers that tuning removed have no row, and are named.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit import plain
from probekit.cache.keep import need_tokens
from probekit.cache.reader import ActivationCache
from probekit.errors import CacheError, InputError, ProbekitError, UsageError
from probekit.extraction.spec import ExtractionSpec
from probekit.models.sources.find import find_again, find_model
from probekit.models.sources.locate import TEMPLATE_FILE
from probekit.report.conclusions import Point
from probekit.report.render.drawing import (
    BLUE,
    DOTS,
    CurveStyle,
    LayerAxis,
    draw_curve,
    draw_floor,
    finish_axes,
    own_axes,
    save_figure,
    write_title,
)
from probekit.report.render.numbers import interval, number, signed
from probekit.sites import Layer
from probekit.statistics.alike import compare_rows, deal
from probekit.statistics.cross_sums import LEAST
from probekit.statistics.similarity import MEASURES
from probekit.statistics.units import whole_units
from probekit.tuning.data.reading import AskedReading, reading_of
from probekit.tuning.runs.folder import RunFolder
from probekit.tuning.runs.identity import READ_FROM, WHERE, complete_record
from probekit.tuning.runs.saving import DELTA

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class LayerDrift:
    """How alike a layer is before and after.

    Attributes
    ----------
    layer : int or str
    value : float or None
        1: a rotation and a scaling of what it was. None: on one side all tokens are the same.
    low, high : float or None
        95 % interval over examples; None where there are too few.
    floor : float or None
        The same where the tokens of one side are mixed up, the mean of several draws.
    """

    layer: int | str
    value: float | None
    low: float | None
    high: float | None
    floor: float | None


@dataclass(frozen=True, slots=True)
class Drift:
    """How far every layer moved.

    Attributes
    ----------
    before, after, corpus, measure : str
        Names.
    tokens, examples : int
        Compared; tokens of words alone.
    layers : tuple of LayerDrift
        Bottom to top.
    removed : tuple of int or str
        Layers that the first has alone.
    """

    before: str
    after: str
    corpus: str
    tokens: int
    examples: int
    layers: tuple[LayerDrift, ...]
    removed: tuple[int | str, ...] = ()
    measure: str = "cka"

    def to_json(self) -> dict[str, Any]:
        """Return plain data; the similarity of a layer stands under the name of the measure."""
        layers = [
            {self.measure if name == "value" else name: its for name, its in asdict(row).items()} for row in self.layers
        ]
        return {"schema": "probekit.drift/1", **asdict(self), "layers": layers}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the curve."""
        ax = own_axes(ax)
        columns = LayerAxis(row.layer for row in self.layers)
        points: dict[Layer, Point] = {
            row.layer: Point(row.layer, row.value, row.low, row.high) for row in self.layers if row.value is not None
        }
        draw_curve(ax, points, columns, CurveStyle(BLUE))
        floors = [row.floor for row in self.layers if row.floor is not None]
        for floor in [float(np.mean(floors))] if floors else []:
            draw_floor(ax, floor, DOTS)
        finish_axes(ax, columns, [*floors, 1.0, *(point.value for point in points.values())], [])
        ax.set_ylabel(f"{self.measure}, before and after")
        write_title(ax, f"{self.before}, and after tuning", f"{self._over}; dotted: tokens mixed up")
        return ax

    def save_plot(self, path: str | os.PathLike[str]) -> Path:
        """Write :meth:`plot` as PNG, SVG or PDF."""
        return save_figure(plain.path(path, "path"), self.plot)

    def __str__(self) -> str:
        rows = [("layer", self.measure, "95 % interval", "mixed up")]
        for row in self.layers:
            floor = "" if row.floor is None else signed(row.floor)
            rows.append((str(row.layer), number(row.value), interval(row), floor))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        helped = MEASURES.members()[self.measure].help
        said = [f"{helped} Over {self._over}; 1: the layer was rotated and scaled at most"]
        if self.removed:
            said.append(f"layers that are no more: {', '.join(map(str, self.removed))}")
        title = f"{self.before} before, {self.after} after"
        return "\n".join([title, "", lines[0], "-" * max(map(len, lines)), *lines[1:], "", *said])

    @property
    def _over(self) -> str:
        return f"{self.tokens:,} tokens of {self.examples:,} examples of {self.corpus}"


def drift(before: ActivationCache, after: ActivationCache, *, measure: str = "cka", seed: int = 0) -> Drift:
    """Compare the layers of two caches of the same tokens.

    Parameters
    ----------
    before, after : ActivationCache
        With the layers of `after` in both.
    measure : str
        Any that :data:`probekit.statistics.similarity.MEASURES` knows.
    seed : int
        Of the parts of examples, of what is mixed up for the floor, and of the examples that a measure of few rows
        takes.

    Returns
    -------
    Drift

    Raises
    ------
    UsageError
        No such measure.
    CacheError
        They hold other tokens, or layers of the second are not in the first.
    InputError
        Fewer than four tokens.
    """
    how = MEASURES.get(plain.text(measure, "measure"), "measure")
    for cache in (before, after):
        need_tokens(cache, "Drift")
    first, second = before.index(), after.index()
    for name in ("example", "word", "token"):
        if not np.array_equal(getattr(first, name), getattr(second, name)):
            raise CacheError(
                f"{before.path.name} and {after.path.name} hold other tokens, so their rows are not those of the same "
                "words. Extract both from one corpus, with one way of reading it."
            )
    layers, known = after.layers(), before.layers()
    if lacking := [layer for layer in layers if layer not in known]:
        raise CacheError(
            f"{before.path.name} lacks layer {', '.join(map(str, lacking))} of {after.path.name}. Extract these too."
        )
    rows = np.flatnonzero(first.word >= 0)
    if how.most is not None:
        rows = rows[whole_units(first.example[rows].astype(np.int64), how.most, np.random.default_rng(seed))]
    examples = np.unique(first.example[rows])
    if len(rows) < LEAST:
        raise InputError(f"{after.path.name} has {len(rows)} tokens of words; {LEAST} are compared at the least.")
    # Examples are dealt out whole, since the tokens of one are no draws of their own.
    parts = [rows[part] for part in deal(first.example[rows], seed=seed)]
    found = []
    for layer in layers:
        likeness = compare_rows(how, before.layer(layer), after.layer(layer), parts, seed=seed)
        low, high = likeness.interval or (None, None)
        floor = float(np.mean(likeness.floor)) if likeness.floor else None
        found.append(LayerDrift(layer, likeness.value, low, high, floor))
    return Drift(
        before=str(before.model["name"]),
        after=str(after.model["name"]),
        corpus=str(after.corpus["name"]),
        tokens=len(rows),
        examples=len(examples),
        layers=tuple(found),
        removed=tuple(layer for layer in known if layer not in layers),
        measure=how.name,
    )


def source_before(run: str | os.PathLike[str]) -> tuple[str, int, list[str]]:
    """Return what to extract as the model before a run, the blocks that the run keeps, and what finding it said.

    Raises
    ------
    UsageError
        No run is there, or it was saved as differences, which is no model that can be extracted.
    CacheError
        It is not complete.
    """
    place = plain.path(run, "run")
    asked = complete_record(RunFolder.existing(place))
    if asked["plan"].get("modules"):
        raise UsageError(
            f"The run in {place} has modules in blocks that stayed as they were, and no model that can be extracted: "
            "transformers would load it without them. `probekit predict` reads it."
        )
    if (place / DELTA).exists():
        raise UsageError(f"The run in {place} was saved as differences, which is no model. Tune with --save whole.")
    its = asked["model"]
    source, said = find_again(its["name"], asked[WHERE], made=f"the run in {place}")
    if source.digests()["weights"] != its["digest"]:
        raise CacheError(
            f"The run in {place} came from '{its['name']}' ({its['digest']:.12}), and the model in "
            f"{source.files()[0].parent} has other weights."
        )
    return _own_name(its) or str(source.files()[0].parent), int(asked["plan"]["keep"]), said


def reading_before(run: str | os.PathLike[str], asked: AskedReading) -> ExtractionSpec:
    """Return how a run read its texts, with what is asked for in the place of its own.

    Raises
    ------
    UsageError
        No run is there.
    CacheError
        It is not complete.
    """
    place = plain.path(run, "run")
    return asked.over(reading_of(complete_record(RunFolder.existing(place)).get(READ_FROM)))


@contextmanager
def template_file(how: ExtractionSpec) -> Iterator[Path | None]:
    """Give the template of a reading as a file, while the context lasts; None where no chats are read.

    Both models read chats by it, whatever template either has by now.
    """
    if how.template is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="probekit-") as folder:
        file = Path(folder) / TEMPLATE_FILE
        file.write_text(how.template, encoding="utf-8")
        yield file


def _own_name(model: Mapping[str, Any]) -> str | None:
    """Return the name of a model where it still names these weights, so that caches of it serve again."""
    try:
        known = find_model(model["name"]).digests()["weights"] == model["digest"]
    except ProbekitError:
        return None
    return str(model["name"]) if known else None
