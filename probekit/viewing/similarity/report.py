"""How alike layers are: :class:`SimilarityReport`.

Enters: measurements and provenance. Leaves: a table, a heat map, frames, files. The rows are those of every report
(stage ``view-similarity``): of a pair of layers, ``layer`` is the first and ``method`` says ``with`` and the second;
the floor of a pair has ``, shuffled`` behind it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit import plain
from probekit.cache.format.names import model_name
from probekit.controls import control_of
from probekit.errors import UsageError, did_you_mean
from probekit.report import Measurement
from probekit.report.render.numbers import interval, number, percent
from probekit.report.render.text import render_plain
from probekit.report.rows import RowReport
from probekit.statistics.units import how_many

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

STAGE, WITH, SHUFFLED = "view-similarity", "with ", ", shuffled"
Layer = int | str
_WIDTH = 160
"""Characters of a line where there is no terminal."""
_WIDEST = 14
"""Layers that the table has side by side."""


@dataclass(frozen=True)
class SimilarityReport(RowReport):
    """How alike the layers of one model, or of two, are.

    Attributes
    ----------
    rows : tuple of Measurement
        By pair of layers and measure: the similarity (role ``estimator``) and what it is where the rows of one side are
        shuffled (``floor``).
    provenance : mapping
        ``model``, ``corpus``, ``cache``; of a second cache the same in ``other``, else None; ``layers``, ``columns``,
        ``compared`` (how many rows, and what the caches do not share), ``settings``, ``notes`` ...
    """

    def __repr__(self) -> str:
        return f"SimilarityReport({self.heading!r}, measures={list(self.measures)}, rows={len(self.rows)})"

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of the measures."""
        return tuple(dict.fromkeys(row.metric for row in self.rows))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Layers of the first cache, bottom to top."""
        return tuple(self.provenance["layers"])

    @property
    def columns(self) -> tuple[Layer, ...]:
        """Layers that they are compared with: those of the second cache, or the same again."""
        return tuple(self.provenance["columns"])

    @property
    def names(self) -> tuple[str, str]:
        """Names of the two models, told apart by their weights where they have one name; of one cache twice its own."""
        made = [self.provenance, self.provenance.get("other") or self.provenance]
        first, second = (_told(one["model"]) for one in made)
        if self.provenance.get("other") is None or first != second:
            return first, second
        first, second = (f"{first} ({str(one['model'].get('weights', ''))[:6]})" for one in made)
        return first, second

    @property
    def heading(self) -> str:
        """What is compared with what."""
        first, second = self.names
        return f"layers of {first}" if self.provenance.get("other") is None else f"layers of {first} and of {second}"

    @property
    def caption(self) -> str:
        """Over what."""
        compared, settings = self.provenance["compared"], self.provenance["settings"]
        examples = how_many(compared["sentences"], settings.get("each", "sentence"))
        return f"{compared['rows']:,} {settings['things']} of {examples} of {self.provenance['corpus']['name']}"

    def cells(self, measure: str, role: str = "estimator") -> dict[tuple[Layer, Layer], Measurement]:
        """Return the rows of a measure by pair of layers; one cache's pairs in both orders where they are the same."""
        found: dict[tuple[Layer, Layer], Measurement] = {}
        symmetric = self.provenance.get("other") is None
        rows = [row for row in self.rows if (row.metric, row.role) == (measure, role)]
        for row in rows:
            second = _second(row)
            if row.layer is not None:
                found[row.layer, second] = row
                if symmetric:
                    found.setdefault((second, row.layer), row)
        return found

    def matrix(self, measure: str | None = None, role: str = "estimator") -> pd.DataFrame:
        """Return the values of a measure: a line a layer, a column a layer that it is compared with.

        Parameters
        ----------
        measure : str, optional
            The first by default.
        role : {"estimator", "floor"}
        """
        import pandas as pd

        cells = self.cells(self._named(measure), plain.choice(role, "role", ("estimator", "floor")))
        values = [
            [getattr(cells.get((layer, column)), "value", None) for column in self.columns] for layer in self.layers
        ]
        return pd.DataFrame(values, self.layers, self.columns, dtype=float)

    def table(self, width: int | None = None) -> str:
        """Return the tables as text: similarities of all layers, and those of neighbours or partners in full."""
        lines = [self.heading, self.caption]
        for measure in self.measures:
            helped = self.provenance["settings"]["about"].get(measure, {})
            lines += ["", f"{measure}: {helped.get('help', '')} {helped.get('reference', '')}".rstrip()]
            lines += [self._matrix_text(measure, width), "", self._pairs_text(measure, width)]
        row = next((row for row in self.rows if row.level is not None), None)
        if row is not None:
            draws = self.provenance["settings"]["shuffles"]
            floor = (
                f"rows of one side shuffled, the mean of {how_many(draws, 'draw')}" if draws else "none, --shuffles 0"
            )
            lines += [f"{percent(row.level)}: new {row.unit}s; floor: {floor}"]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def plot(self, ax: Axes | None = None, *, measure: str | None = None) -> Axes:
        """Draw the heat map of a measure, the first by default."""
        from probekit.viewing.similarity.draw import draw_heat

        return draw_heat(self, self._named(measure), ax)

    def save_plot(self, path: str | os.PathLike[str]) -> Path:
        """Write the heat maps of all measures side by side as PNG, SVG or PDF, by the suffix."""
        from probekit.report.render.drawing import save_figure
        from probekit.viewing.similarity.draw import draw_all, size_for

        return save_figure(plain.path(path, "path"), lambda ax: draw_all(self, ax), size=size_for(self))

    def pairs(self, measure: str) -> list[tuple[Layer, Layer]]:
        """Return the pairs that the table tells in full: of one cache neighbours, of two layers of one name."""
        cells = self.cells(measure)
        if self.provenance.get("other") is None:
            found = list(zip(self.layers, self.layers[1:], strict=False))
        else:
            found = [(layer, layer) for layer in self.layers]
        return [pair for pair in found if pair in cells]

    def _named(self, measure: str | None) -> str:
        if measure is None and self.measures:
            return self.measures[0]
        if measure not in self.measures:
            hint = did_you_mean(str(measure), self.measures)
            raise UsageError(f"The report has no measure '{measure}'.{hint} It has: {', '.join(self.measures)}.")
        return str(measure)

    def _matrix_text(self, measure: str, width: int | None) -> str:
        cells = self.cells(measure)
        rows, columns = _spaced(self.layers), _spaced(self.columns)
        body = ([str(layer), *(_value(cells.get((layer, column))) for column in columns)] for layer in rows)
        text = _grid(["layer", *map(str, columns)], body, width)
        left = [len(whole) - len(shown) for whole, shown in ((self.layers, rows), (self.columns, columns))]
        if not any(left):
            return text
        return (
            f"{text}\n{left[0]} layers down and {left[1]} across are not printed: the report and the figure have them"
        )

    def _pairs_text(self, measure: str, width: int | None) -> str:
        cells, floors = self.cells(measure), self.cells(measure, "floor")
        body = (
            [f"{one} with {other}", _value(cells[one, other]), interval(cells[one, other]),
             _value(floors.get((one, other))), f"{cells[one, other].n or 0:,}"]
            for one, other in self.pairs(measure)
        )  # fmt: skip
        return _grid(["layers", measure, "interval", "floor", "n"], body, width)


def _told(model: Mapping[str, Any]) -> str:
    control = control_of(model)
    return model_name(model) + ("" if control is None else f" {control.name}")


def _second(row: Measurement) -> Layer:
    text = row.method.removeprefix(WITH).removesuffix(SHUFFLED)
    return int(text) if text.isdigit() else text


def _spaced(layers: Sequence[Layer]) -> Sequence[Layer]:
    step = -(-len(layers) // _WIDEST)
    return layers[:: max(1, step)]


def _value(row: Measurement | None) -> str:
    return number(row.value if row else None)


def _grid(heads: Sequence[str], body: Iterator[Sequence[str]], width: int | None) -> str:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for cells in body:
        table.add_row(*cells)
    return render_plain(table, width, unset=_WIDTH)
