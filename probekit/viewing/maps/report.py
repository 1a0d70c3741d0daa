"""A map of one layer or several: :class:`MapReport`.

Enters: rows of quality, and the points in the provenance. Leaves: a frame of points, a table, a figure, a page, a
file from which all of them are made again without the cache.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from probekit import plain
from probekit.cache.format.names import model_name
from probekit.report.render.numbers import number
from probekit.report.render.text import render_plain
from probekit.report.rows import RowReport
from probekit.viewing.maps.colouring import Colours, colours_of
from probekit.viewing.pages import write_bytes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

STAGE = "view-map"
TRUST, CONTINUITY, AGREEMENT = "trustworthiness", "continuity", "procrustes_correlation"
EXPLAINED = ("explained_1", "explained_2")
METRICS = (TRUST, CONTINUITY, *EXPLAINED, AGREEMENT)
METHODS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}


@dataclass(frozen=True)
class MapReport(RowReport):
    """Points of one or several layers, and what their maps keep of the vectors.

    Attributes
    ----------
    rows : tuple of Measurement
        By layer: trustworthiness, continuity, of PCA the explained shares, of several layers the agreement of each
        map with the one before (role ``companion``; they speak of the points shown, so they have no interval).
    provenance : mapping
        ``task``, ``model``, ``corpus``, ``settings``, ``points`` (columns), ``places`` (by layer), ``sentences``,
        ``turned`` (by layer: what a map was multiplied by and scaled with), ``notes``.
    """

    def __repr__(self) -> str:
        return f"MapReport({self.heading!r}, layers={list(self.layers)}, points={self.n_points})"

    @property
    def layers(self) -> tuple[int | str, ...]:
        """The layers shown, bottom to top."""
        return tuple(row.layer for row in self.rows if row.metric == TRUST and row.layer is not None)

    @property
    def n_points(self) -> int:
        """Points of each layer."""
        return len(self.provenance["points"]["word"])

    @property
    def method(self) -> str:
        """The projection's name as it is written."""
        name = str(self.provenance["settings"]["method"])
        return METHODS.get(name, name)

    @property
    def heading(self) -> str:
        """What is on the map."""
        made = self.provenance
        return " · ".join((str(made["task"]), model_name(made["model"]), str(made["corpus"]["name"])))

    @property
    def caption(self) -> str:
        """How it was made, in one line."""
        made = self.provenance["settings"]
        return f"{self.method} of {self.n_points:,} {made['things']} of {made['split']}, fitted to {made['fitted_to']}"

    @property
    def colours(self) -> Colours:
        """What each point is drawn as."""
        return colours_of(self.provenance["points"]["value"])

    @property
    def points(self) -> pd.DataFrame:
        """One line a point and layer: layer, x, y, label, value, group, split, word, sentence, spans."""
        import pandas as pd

        columns, colours = self.provenance["points"], self.colours
        groups = [colours.groups[code][0] for code in colours.group]
        parts = []
        for layer in self.layers:
            places = self.provenance["places"][str(layer)]
            parts.append(
                pd.DataFrame({
                    "layer": [layer] * self.n_points, "x": places["x"], "y": places["y"], "label": columns["label"],
                    "value": columns["value"], "group": groups, "split": columns["split"], "word": columns["word"],
                    "sentence": columns["sentence"], "spans": columns["spans"],
                })
            )  # fmt: skip
        return pd.concat(parts, ignore_index=True)

    @property
    def metrics(self) -> list[str]:
        """What the maps are measured by."""
        return [metric for metric in METRICS if any(row.metric == metric for row in self.rows)]

    def value(self, metric: str, layer: int | str) -> float | None:
        """Return a number of a layer's map; None where it has none."""
        return next((row.value for row in self.rows if (row.metric, row.layer) == (metric, layer)), None)

    def table(self, width: int | None = None) -> str:
        """Return the table as text."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for head in ("layer", *(metric.replace("_", " ") for metric in self.metrics)):
            grid.add_column(head, justify="right", no_wrap=True)
        for layer in self.layers:
            grid.add_row(str(layer), *(number(self.value(metric, layer)) for metric in self.metrics))
        groups = ", ".join(f"{name} {count:,}" for name, count in self.colours.groups)
        by = self.provenance["settings"]["by"]
        return "\n".join([
            self.heading, self.caption, render_plain(grid, width), f"by {by}: {groups}",
            *(f"note: {note}" for note in self.notes),
        ])  # fmt: skip

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the map of every layer, side by side inside of the axes; they are its ``child_axes``."""
        from probekit.viewing.maps.draw import draw_maps

        return draw_maps(self, ax)

    @property
    def figure_size(self) -> tuple[float, float]:
        """Width and height of the figure, in inches, by the number of maps."""
        from probekit.viewing.maps.draw import size_for

        return size_for(len(self.layers))

    def save_points(self, path: str | os.PathLike[str]) -> Path:
        """Write :attr:`points` as CSV; return the path.

        Raises
        ------
        ResourceError
            The place cannot be written.
        """
        place = plain.path(path, "path")
        return write_bytes(place, self.points.to_csv(index=False).encode("utf-8", "surrogatepass"), "points")

    def save_page(self, path: str | os.PathLike[str]) -> Path:
        """Write the map as one HTML file that needs no network and no server; return the path.

        At most 20,000 points are on it, chosen by the hash that chooses points, and said.

        Raises
        ------
        ResourceError
            The place cannot be written.
        """
        from probekit.viewing.maps.page import page_of

        return write_bytes(plain.path(path, "path"), page_of(self).encode("utf-8", "surrogatepass"), "page")
