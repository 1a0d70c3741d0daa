"""The grid of one sentence pair: :func:`view_alignment`.

Enters: a report of ``probekit align``, or its file. Leaves: an :class:`AlignmentGrid`: weights between words, which of
them people linked, and which the weights link; a table, a figure, a page. No model runs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit import plain
from probekit.attention.alignment.links import counts_of, error_rate, links_of, precision, predicted, recall
from probekit.attention.alignment.pairs import AlignedPair
from probekit.attention.alignment.report import STAGE, AlignmentReport
from probekit.errors import InputError
from probekit.report.render.drawing import save_figure
from probekit.report.render.numbers import number
from probekit.report.render.text import render_plain
from probekit.viewing.pages import write_bytes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

WAYS = ("head", "block", "all")
"""What gives the weights, in the order in which a report keeps them."""
_LINKS = ("sure", "possible", "linked")
_RATES = {"AER": error_rate, "precision": precision, "recall": recall}


@dataclass(frozen=True)
class AlignmentGrid:
    """A sentence pair, and where each word of its translation looks.

    Attributes
    ----------
    report : AlignmentReport
        Where it is from.
    number : int
        Line of the pair in its corpus.
    way : {"head", "block", "all"}
    pair : AlignedPair
    weights : float64 array [words of the target, words of the source]
        NaN of words without a token. The rest of a row is what goes to special tokens.
    """

    report: AlignmentReport
    number: int
    way: str
    pair: AlignedPair
    weights: NDArray[np.float64]

    def __repr__(self) -> str:
        return f"AlignmentGrid(pair={self.number}, way={self.way!r}, shape={self.weights.shape})"

    def __str__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the table and the figure."""
        from probekit.report.page.snippet import report_snippet

        return report_snippet(self.table(), self.plot)

    @property
    def place(self) -> int:
        """Which of the report's ways gives the weights, from 0."""
        return WAYS.index(self.way)

    def every(self) -> list[list[AlignmentGrid]]:
        """Return all grids of the report, by pair and way."""
        return [[grid_from(self.report, kept, way) for way in WAYS] for kept in self.report.grids]

    @property
    def heading(self) -> str:
        """Which pair of what, aligned by which model."""
        return f"pair {self.number} of {self.report.heading}"

    @property
    def caption(self) -> str:
        """Whose weights they are, and how well they link this pair."""
        rates = ", ".join(f"{name} {number(value)}" for name, value in self.rates.items())
        return f"{self.report.ways[self.place]}; of this pair {rates}"

    @property
    def linked(self) -> set[tuple[int, int]]:
        """Each word of the target with the word of the source at which it looks most; from 0, source first."""
        return predicted(links_of(self.weights[None].astype(np.float32))[0])

    @property
    def rates(self) -> dict[str, float | None]:
        """Error rate, precision and recall of this pair alone; None where it has no such links."""
        counts = counts_of(links_of(self.weights[None].astype(np.float32))[0], self.pair)
        found = {name: float(rate(counts)) for name, rate in _RATES.items()}
        return {name: None if value != value else value for name, value in found.items()}

    @property
    def frame(self) -> pd.DataFrame:
        """One line a cell: the two words and their places from 1, weight, and whether they are linked, by whom."""
        import pandas as pd

        linked, pair = self.linked, self.pair
        lines = [
            (
                self.number, self.way, column + 1, source, row + 1, target, self.weights[row, column],
                (column, row) in pair.sure, (column, row) in pair.possible, (column, row) in linked,
            )
            for row, target in enumerate(pair.target)
            for column, source in enumerate(pair.source)
        ]  # fmt: skip
        return pd.DataFrame(
            lines,
            columns=["pair", "way", "source_place", "source", "target_place", "target", "weight", *_LINKS],
        )  # fmt: skip

    def table(self, width: int | None = None) -> str:
        """Return, word by word of the target, where it looks and what people linked, as text."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for head in ("target", "looks at", "weight", "sure", "possible", ""):
            grid.add_column(head, justify="right" if head == "weight" else "left")
        pair, looks = self.pair, {target: source for source, target in self.linked}
        for row, word in enumerate(pair.target):
            at = looks.get(row)
            link = (-1 if at is None else at, row)
            judged = "sure" if link in pair.sure else "possible" if link in pair.possible else "wrong"
            grid.add_row(
                word,
                "" if at is None else pair.source[at],
                "" if at is None else number(float(self.weights[row, at])),
                " ".join(pair.source[one] for one, other in sorted(pair.sure) if other == row),
                " ".join(pair.source[one] for one, other in sorted(pair.possible - pair.sure) if other == row),
                "no token" if at is None else judged,
            )
        return "\n".join([self.heading, self.caption, render_plain(grid, width)])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the weights as a grid, with the links of people and those of the weights."""
        from probekit.viewing.alignment.draw import draw_grid

        return draw_grid(self, ax)

    def save_plot(self, path: str | os.PathLike[str]) -> Path:
        """Write the figure as PNG, SVG or PDF, by the suffix."""
        from probekit.viewing.alignment.draw import size_for

        return save_figure(plain.path(path, "path"), self.plot, size=size_for(self.weights.shape))

    def save_cells(self, path: str | os.PathLike[str]) -> Path:
        """Write :attr:`frame` as CSV; return the path.

        Raises
        ------
        ResourceError
            The place cannot be written.
        """
        return write_bytes(plain.path(path, "path"), _encoded(self.frame.to_csv(index=False)), "cells")

    def save_page(self, path: str | os.PathLike[str]) -> Path:
        """Write all grids of the report as one HTML file that needs no network, this one first; return the path.

        Raises
        ------
        ResourceError
            The place cannot be written.
        """
        from probekit.viewing.alignment.page import page_of

        return write_bytes(plain.path(path, "path"), _encoded(page_of(self)), "page")

    def to_json(self) -> dict[str, Any]:
        """Return the pair, its links from 1, and its weights as one document."""
        kept = self.report.grid(self.number)
        return {
            "pair": self.number,
            "corpus": self.report.provenance.get("corpus"),
            "model": self.report.provenance.get("model"),
            "way": self.report.ways[self.place],
            "source": kept["source"],
            "target": kept["target"],
            **{
                name: [[one + 1, other + 1] for one, other in sorted(links)]
                for name, links in (("sure", self.pair.sure), ("possible", self.pair.possible), ("linked", self.linked))
            },
            "weights": kept["weights"][self.place],
            "rates": self.rates,
        }


def view_alignment(
    report: AlignmentReport | str | os.PathLike[str], *, pair: int | None = None, way: str = "head"
) -> AlignmentGrid:
    """Return the grid of one sentence pair that a report keeps.

    Parameters
    ----------
    report : AlignmentReport or path
        What :func:`probekit.align` returned, or the file of ``probekit align --out``.
    pair : int, optional
        Line of the pair in its corpus, from 1; the first that is kept by default.
    way : {"head", "block", "all"}
        The head that dev chose, the mean of its block, the mean of all blocks.

    Returns
    -------
    AlignmentGrid

    Raises
    ------
    InputError
        No such file, or no report of alignments.
    UsageError
        The report keeps no such pair.
    """
    way = plain.choice(way, "way", WAYS)
    if not isinstance(report, AlignmentReport):
        path = plain.path(report, "report")
        report = AlignmentReport.read(path)
        if {row.stage for row in report.rows} != {STAGE}:
            raise InputError(f"{path} is no report of alignments. Give a file that `probekit align --out` wrote.")
    kept = report.grid(None if pair is None else plain.whole(pair, "pair", least=1))
    return grid_from(report, kept, way)


def grid_from(report: AlignmentReport, kept: Mapping[str, Any], way: str) -> AlignmentGrid:
    """Return a pair of a report as a grid."""
    links = (frozenset((one, other) for one, other in kept[name]) for name in ("sure", "possible"))
    weights = np.array(kept["weights"][WAYS.index(way)], np.float64).reshape(len(kept["target"]), len(kept["source"]))
    return AlignmentGrid(
        report, kept["pair"], way, AlignedPair(tuple(kept["source"]), tuple(kept["target"]), *links), weights
    )


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
