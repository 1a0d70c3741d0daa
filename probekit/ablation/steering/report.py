"""Dose and response of a vector that is added: :class:`SteeringReport`.

Enters: doses, as rows. Leaves: a table by strength, a figure, a file. The rows are those of every report, stage
``steer``; the strength stands in ``strength``, in units of the layer's root mean square norm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.ablation.steering.study import Chosen, Dose, Side
from probekit.report import Measurement
from probekit.report.render.drawing import BLUE, DOTS, GREY, PALE, STROKES, VERMILION, own_axes, write_title
from probekit.report.render.numbers import number, signed
from probekit.report.render.table import shortened
from probekit.report.render.text import render_plain
from probekit.report.rows import RowReport
from probekit.statistics.bootstrap import LEVEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STAGE, UNIT = "steer", "rms"
ODDS, LOSS = "log_odds_shift", "loss_shift"
RANDOM, OVER_RANDOM, UNSTEERED = "random", "over_random", "unsteered"


@dataclass(frozen=True)
class SteeringReport(RowReport):
    """What a model answers as a vector is added to one of its layers.

    Attributes
    ----------
    rows : tuple of Measurement
        Of every strength on test: by how much log-odds rise and the loss a token, of the direction, of random ones of
        the same length, and the difference; of every layer and strength on dev.
    provenance : mapping
        ``task``, ``model``, ``corpus``, ``settings``, ``chosen`` (layer and strength), ``notes``.
    """

    def __repr__(self) -> str:
        return f"SteeringReport({self.heading!r}, rows={len(self.rows)})"

    @property
    def heading(self) -> str:
        """What was added to which model, where it was found, and what was asked."""
        return f"{self.title}, found at '{self.at}'" if self.at else self.title

    @property
    def title(self) -> str:
        """What was added to which model, and what was asked."""
        settings, model = self.provenance.get("settings", {}), self.provenance.get("model", {})
        way = f"{settings.get('away', '')} -> {settings.get('toward', '')}"
        return f"{self.provenance.get('task', '')} · {model.get('name', '')} · {way}"

    @property
    def at(self) -> str | None:
        """The position that the direction was found at; None: in the words of the targets."""
        found = self.provenance.get("settings", {}).get("at")
        return None if found is None else str(found)

    @property
    def chosen(self) -> tuple[int, float]:
        """The layer and the strength that dev chose."""
        its = self.provenance.get("chosen", {})
        return int(its.get("layer", 0)), float(its.get("strength", 0.0))

    def curve(self, method: str, metric: str = ODDS) -> tuple[Measurement, ...]:
        """Return the rows of test of a method, by strength."""
        layer, _ = self.chosen
        found = [row for row in self.rows if (row.method, row.metric, row.layer, row.split) ==
                 (method, metric, layer, "test")]  # fmt: skip
        return tuple(sorted(found, key=lambda row: row.strength or 0.0))

    @property
    def method(self) -> str:
        """The way the direction was found: ``means``."""
        return str(self.provenance.get("settings", {}).get("direction", ""))

    def table(self, width: int | None = None) -> str:
        """Return the table as text, a line a strength."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for head in ("strength", "log-odds", "interval", "random", "gain", "interval", "loss", "random"):
            grid.add_column(head, justify="right", no_wrap=True)
        layer, strength = self.chosen
        lines = [self.curve(method, metric) for metric in (ODDS, LOSS) for method in (self.method, RANDOM, OVER_RANDOM)]
        for odds, random, gain, loss, random_loss in zip(*lines[:5], strict=True):
            mark = " *" if odds.strength == strength else ""
            grid.add_row(
                f"{odds.strength or 0:g}{mark}", signed(odds.value), _interval(odds), signed(random.value),
                signed(gain.value), _interval(gain), signed(loss.value), signed(random_loss.value),
            )  # fmt: skip
        read = "chats" if self.provenance.get("settings", {}).get("chat") else "sentences"
        counts = [f"{row.n:,} {name} of {row.n_groups:,} {row.unit}s" for row, name in
                  ((lines[0][0], "questions"), (lines[3][0], read))] if lines[0] else []  # fmt: skip
        plain = {row.metric: row for row in self.rows if row.method == UNSTEERED}
        before = ", ".join(f"{name} {number(plain[metric].value)}" for metric, name in
                           (("log_odds", "log-odds"), ("loss", "loss a token")) if metric in plain)  # fmt: skip
        return "\n".join([
            self.heading, f"test: {'; '.join(counts)}", "",
            render_plain(grid, width), "",
            f"* chosen on dev: layer {layer}, strength {strength:g}",
            f"unsteered: {before} (nats)",
            *(f"note: {note}" for note in self.notes),
        ])  # fmt: skip

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how far log-odds and the loss rise against strength, with those of random directions."""
        ax = own_axes(ax)
        ax.axhline(0, color=PALE, lw=1)
        shown = ((ODDS, BLUE, "o", "log-odds", DOTS), (LOSS, VERMILION, "s", "loss a token", STROKES))
        for metric, color, marker, name, dashes in shown:
            at, heights, lows, highs = _line(self.curve(self.method, metric))
            ax.plot(at, heights, marker=marker, color=color, label=name)
            ax.fill_between(at, lows, highs, color=color, alpha=0.2, lw=0)
            at, heights, *_ = _line(self.curve(RANDOM, metric))
            look: dict[str, Any] = {"ls": dashes, "marker": marker, "mfc": "white", "ms": 4, "lw": 1, "color": color}
            ax.plot(at, heights, label=f"{name}, random directions", **look)
        layer, strength = self.chosen
        ax.axvline(strength, color=GREY, lw=0.8)
        ax.set_xlabel("strength, in norms of the layer's states")
        ax.set_ylabel("rise (nats)")
        ax.legend(frameon=False, fontsize=9)
        ax.spines[["top", "right"]].set_visible(False)
        found = f"found at '{self.at}', " if self.at else ""
        said = f"{found}added to layer {layer}; upright: chosen on dev; bands: {LEVEL:.0%} intervals"
        write_title(ax, shortened(self.title, 72), said)
        return ax


def test_rows(
    test: Side, blank: Measurement, method: str, doses: Sequence[tuple[float, Dose, Sequence[Dose]]]
) -> list[Measurement]:
    """Return the rows of test: each strength with the dose of the direction and those of random ones.

    Parameters
    ----------
    test : Side
    blank : Measurement
    method : str
    doses : sequence of (float, Dose, sequence of Dose)
    """
    plain = replace(blank, layer=None, method=UNSTEERED, role="floor")
    found = [
        test.answers.row(replace(plain, metric="log_odds"), test.plain.odds[None]),
        test.sentences.row(replace(plain, metric="loss", unit="document"), test.plain.loss[None], per=test.tokens),
    ]
    for strength, own, random in doses:
        here = replace(blank, strength=strength, strength_name=UNIT)
        note = f"mean of {len(random)} draws" if len(random) > 1 else "of one draw"
        stacked = Dose(np.stack([dose.odds for dose in random]), np.stack([dose.loss for dose in random]))
        found += _pair(test, replace(here, method=method), Dose(own.odds[None], own.loss[None]))
        found += _pair(test, replace(here, method=RANDOM, role="control", note=note), stacked)
        apart = Dose(own.odds - stacked.odds, own.loss - stacked.loss)
        found += _pair(test, replace(here, method=OVER_RANDOM, role="difference", note=note), apart)
    return found


def dev_rows(dev: Side, blank: Measurement, method: str, chosen: Chosen) -> list[Measurement]:
    """Return the rows of dev: every layer and strength that was tried."""
    found: list[Measurement] = []
    for vector, strength, dose in chosen.doses:
        row = replace(
            blank, split="dev", layer=vector.layer, method=method, strength=strength, strength_name=UNIT
        )  # fmt: skip
        found += _pair(dev, row, Dose(dose.odds[None], dose.loss[None]))
    return found


def _pair(side: Side, row: Measurement, dose: Dose) -> list[Measurement]:
    return [
        side.answers.row(replace(row, metric=ODDS), dose.odds),
        side.sentences.row(replace(row, metric=LOSS, unit="document"), dose.loss, per=side.tokens),
    ]


def _line(rows: Sequence[Measurement]) -> tuple[list[float], ...]:
    """Return strengths, values and ends of intervals; at the strength 0 nothing rises."""
    points = [(0.0, 0.0, 0.0, 0.0)]
    for row in rows:
        low, high = (float("nan") if end is None else end for end in (row.low, row.high))
        points.append((row.strength or 0.0, row.value or 0.0, low, high))
    return tuple(list(column) for column in zip(*sorted(points), strict=True))


def _interval(row: Measurement) -> str:
    return "" if row.low is None or row.high is None else f"[{row.low:+z.3f}, {row.high:+z.3f}]"
