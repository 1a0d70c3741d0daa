"""How far tuning moved each layer: the similarity of a model's layers before and after, over one corpus.

Enters: two caches of the same tokens. Leaves: a :class:`Drift`: debiased linear CKA by layer with interval and floor.
Surprise: a layer that did not train has 1; layers that tuning removed have no row, and are named.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit import plain
from probekit.cache.reader import ActivationCache
from probekit.errors import CacheError, InputError, ProbekitError, UsageError
from probekit.models.sources.find import find_again, find_model
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
from probekit.statistics.cross_sums import LEAST, CrossSums, half_sample_error, total
from probekit.tuning.folder import RunFolder
from probekit.tuning.identity import WHERE, complete_record
from probekit.tuning.saving import DELTA

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PARTS = 20
"""Parts that examples are dealt into; halves of these tell how far chance goes."""
NORMAL = 1.96


@dataclass(frozen=True, slots=True)
class LayerDrift:
    """How alike a layer is before and after.

    Attributes
    ----------
    layer : int or str
    cka : float
        1: a rotation and a scaling of what it was.
    low, high : float or None
        95 % interval over examples; None where there are too few.
    floor : float
        The same where the tokens of one side are mixed up.
    """

    layer: int | str
    cka: float
    low: float | None
    high: float | None
    floor: float


@dataclass(frozen=True, slots=True)
class Drift:
    """How far every layer moved.

    Attributes
    ----------
    before, after, corpus : str
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

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"schema": "probekit.drift/1", **asdict(self)}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the curve."""
        ax = own_axes(ax)
        columns = LayerAxis(row.layer for row in self.layers)
        draw_curve(ax, {row.layer: Point(row.layer, row.cka, row.low, row.high) for row in self.layers}, columns,
                   CurveStyle(BLUE))  # fmt: skip
        floor = float(np.mean([row.floor for row in self.layers]))
        draw_floor(ax, floor, DOTS)
        finish_axes(ax, columns, [floor, 1.0, *(row.cka for row in self.layers)], [])
        ax.set_ylabel("CKA, before and after")
        write_title(ax, f"{self.before}, and after tuning", f"{self._over}; dotted: tokens mixed up")
        return ax

    def save_plot(self, path: str | os.PathLike[str]) -> Path:
        """Write :meth:`plot` as PNG, SVG or PDF."""
        return save_figure(plain.path(path, "path"), self.plot)

    def __str__(self) -> str:
        rows = [("layer", "CKA", "95 % interval", "mixed up")]
        for row in self.layers:
            ends = "" if row.low is None or row.high is None else f"{row.low:.3f} .. {row.high:.3f}"
            rows.append((str(row.layer), f"{row.cka:.3f}", ends, f"{row.floor:+.3f}"))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        said = [f"debiased linear CKA over {self._over}; 1: the layer was rotated and scaled at most"]
        if self.removed:
            said.append(f"layers that are no more: {', '.join(map(str, self.removed))}")
        title = f"{self.before} before, {self.after} after"
        return "\n".join([title, "", lines[0], "-" * max(map(len, lines)), *lines[1:], "", *said])

    @property
    def _over(self) -> str:
        return f"{self.tokens:,} tokens of {self.examples:,} examples of {self.corpus}"


def drift(before: ActivationCache, after: ActivationCache, *, seed: int = 0) -> Drift:
    """Compare the layers of two caches of the same tokens.

    Parameters
    ----------
    before, after : ActivationCache
        With the layers of `after` in both.
    seed : int
        Of the parts of examples, and of what is mixed up for the floor.

    Returns
    -------
    Drift

    Raises
    ------
    CacheError
        They hold other tokens, or layers of the second are not in the first.
    InputError
        Fewer than four tokens.
    """
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
    examples = np.unique(first.example[rows])
    if len(rows) < LEAST:
        raise InputError(f"{after.path.name} has {len(rows)} tokens of words; {LEAST} are compared at the least.")
    rng = np.random.default_rng(seed)
    # Examples are dealt out whole, since the tokens of one are no draws of their own.
    part = rng.permutation(np.arange(len(examples)) % PARTS)[np.searchsorted(examples, first.example[rows])]
    places = [rows[part == number] for number in range(min(PARTS, len(examples)))]
    found = tuple(_compared(before, after, layer, places, seed) for layer in layers)
    return Drift(
        before=str(before.model["name"]),
        after=str(after.model["name"]),
        corpus=str(after.corpus["name"]),
        tokens=len(rows),
        examples=len(examples),
        layers=found,
        removed=tuple(layer for layer in known if layer not in layers),
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


def _own_name(model: Mapping[str, Any]) -> str | None:
    """Return the name of a model where it still names these weights, so that caches of it serve again."""
    try:
        known = find_model(model["name"]).digests()["weights"] == model["digest"]
    except ProbekitError:
        return None
    return str(model["name"]) if known else None


def _compared(
    before: ActivationCache, after: ActivationCache, layer: int | str, places: Sequence[NDArray[np.intp]], seed: int
) -> LayerDrift:
    old, new = before.layer(layer), after.layer(layer)
    shift_old, shift_new = (view[places[0]].mean(axis=0) for view in (old, new))
    rng = np.random.default_rng(seed)
    blocks, mixed = [], []
    for rows in places:
        x, y = old[rows] - shift_old, new[rows] - shift_new
        blocks.append(CrossSums.of(x, y))
        mixed.append(CrossSums.of(x, y[rng.permutation(len(y))]))
    value = total(blocks).cka()
    low, high = None, None
    if len(blocks) >= PARTS:
        reach = NORMAL * half_sample_error(blocks, seed=seed)
        low, high = value - reach, min(1.0, value + reach)
    return LayerDrift(layer, value, low, high, total(mixed).cka())
