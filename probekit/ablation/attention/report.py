"""How far attention can change before what a model says does: :class:`AttentionChangeReport`.

Enters: rows and how they were made. Leaves: a table, a figure, a file. The rows are those of every report (stage
``ablate-attention``): the layer says which block was changed, None is all of them; the method how, with the head where
one alone was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probekit.ablation.attention.scores import FURTHEST, MOVED, OWN, TOTAL_VARIATION
from probekit.report import Measurement
from probekit.report.render.drawing import DOTS, GREY, SERIES, SKY, legible, own_axes, write_title
from probekit.report.render.numbers import estimate, interval, number, signed
from probekit.report.render.table import Column, fitting, shortened
from probekit.report.render.text import plain_width, render_plain
from probekit.report.rows import RowReport
from probekit.sites import Layer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STAGE = "ablate-attention"
_SHOWN = 8
"""Heads that the table shows."""
Key = tuple[Layer, str, float | None]


@dataclass(frozen=True)
class AttentionChangeReport(RowReport):
    """Scores of a model under other attention weights.

    Attributes
    ----------
    rows : tuple of Measurement
    provenance : mapping
        ``task`` (the metric), ``model``, ``settings``, ``notes`` ...
    """

    @property
    def heading(self) -> str:
        """What was changed in which model, and what was measured."""
        model = self.provenance.get("model", {})
        return f"{self.provenance.get('task', '')} · {model.get('name', '')} under other attention"

    def select(self, metric: str, *, role: str | None = None) -> tuple[Measurement, ...]:
        """Return the rows of a metric; without a role, all that are no differences."""
        wanted = [row for row in self.rows if row.metric == metric]
        return tuple(row for row in wanted if (row.role == role if role else row.role != "difference"))

    def table(self, width: int | None = None) -> str:
        """Return the table as text: all blocks, every block, and the heads that matter most.

        Where it is narrow, intervals are left out whole, that of the score last, and that is said.
        """
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        own, score = self._own, self._own.metric
        shown, left_out = self._shown()
        moved, output, change = (
            {_key(row): row for row in self.select(metric, role=role)}
            for metric, role in ((MOVED, None), (TOTAL_VARIATION, None), (score, "difference"))
        )
        names = [_name(key) for key in shown]
        # Of a head in a search of its block only how far it moved is known.
        columns = [
            Column("moves", _cells(shown, moved, lambda row: number(row.value)), 0),
            Column("interval", _cells(shown, moved, interval), 3, "the interval of moves"),
            Column("output", _cells(shown, output, lambda row: number(row.value)), 0),
            Column("interval", _cells(shown, output, interval), 2, "the interval of output"),
            Column("change", _cells(shown, change, lambda row: signed(row.value)), 0),
            Column("interval", _cells(shown, change, interval), 1, "the interval of change"),
        ]
        widest = max(len(method) for _, method in names)
        columns, narrow = fitting(columns, plain_width(width), beside=len("block") + 2 + widest, between=2)
        grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
        for head in ("block", "changed"):
            grid.add_column(head, no_wrap=True)
        for column in columns:
            grid.add_column(column.head, justify="right", no_wrap=True)
        for place, name in enumerate(names):
            grid.add_row(*name, *(column.cells[place] for column in columns))
        counted = f"{own.n:,} items of {own.n_groups:,} {own.unit}s; {score} {estimate(own)}"
        return "\n".join([
            self.heading, counted, render_plain(grid, width),
            *([f"not shown at this width: {', '.join(narrow)}"] if narrow else []),
            "moves: divergence (Jensen-Shannon) of the attention from the model's own, of ln 2 = 0.693 at most",
            f"output: total variation of the distributions at the scored tokens; change: of the {score}",
            *([f"{left_out:,} more lines of heads are in the report"] if left_out else []),
            *(f"note: {note}" for note in self.notes),
        ])  # fmt: skip

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how far attention moves against how far what is said does: high and left, attention explains little."""
        ax = own_axes(ax)
        said = _values(self.select(TOTAL_VARIATION))
        moved = {key: value for key, value in _values(self.select(MOVED)).items() if key in said}
        ax.axhline(FURTHEST, color=GREY, lw=0.8, ls=DOTS)
        styles = (("permuted", "o", SERIES[0]), ("permuted head", ".", SKY), ("uniform", "s", SERIES[2]),
                  ("uniform head", "+", SERIES[2]), ("adversarial", "^", SERIES[1]))  # fmt: skip
        for name, marker, color in styles:
            keys = [key for key in moved if (" ".join(key[1].split()[:2]) == name)]
            if not keys:
                continue
            label = {"permuted": "permuted, a block", "uniform": "uniform, a block"}.get(name, name)
            small = name.endswith("head")
            at = [said[key] for key in keys], [moved[key] for key in keys]
            ax.plot(*at, marker=marker, ls="none", color=color, ms=5 if small else 7, alpha=0.8, label=label)
            self._name(ax, [key for key in keys if not small], said, moved, color)
        for layer in dict.fromkeys(key[0] for key in moved if key[2] is not None):
            keys = sorted((key for key in moved if key[0] == layer and key[2] is not None), key=lambda key: key[2] or 0)
            ax.plot([said[key] for key in keys], [moved[key] for key in keys], color=SERIES[1], lw=0.8)
        ax.set_xlim(left=0)
        ax.set_ylim(0, FURTHEST * 1.06)
        ax.set_xlabel("what is said moves by (total variation)")
        ax.set_ylabel("attention moves by (Jensen-Shannon, nats)")
        ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        write_title(ax, shortened(self.heading, 72), "numbers: blocks; *: all; lines: a search under its bounds")
        return ax

    @staticmethod
    def _name(ax: Any, keys: Sequence[Key], said: Any, moved: Any, color: str) -> None:
        """Write the block beside a point; of a search beside its widest bound."""
        widest = {key[:2]: key for key in sorted(keys, key=lambda key: key[2] or 0)}
        for key in widest.values():
            text = "*" if key[0] is None else str(key[0]).partition(".")[0]
            ax.annotate(text, (said[key], moved[key]), xytext=(5, 3), textcoords="offset points",
                        fontsize=8, color=legible(color))  # fmt: skip

    @property
    def _own(self) -> Measurement:
        return next(row for row in self.rows if row.method == OWN)

    def _shown(self) -> tuple[list[Key], int]:
        """Return the lines of the table, and how many lines of heads it leaves out."""
        keys = [_key(row) for row in self.select(MOVED)]
        whole = [key for key in keys if " head " not in key[1]]
        said = {_key(row): row.value or 0.0 for row in self.select(TOTAL_VARIATION)}
        heads = sorted((key for key in keys if key not in whole), key=lambda key: -said.get(key, -1.0))
        return [*whole, *heads[:_SHOWN]], max(0, len(heads) - _SHOWN)


def _key(row: Measurement) -> Key:
    return row.layer, row.method, row.strength


def _values(rows: Sequence[Measurement]) -> dict[Key, float]:
    return {_key(row): row.value for row in rows if row.value is not None}


def _name(key: Key) -> tuple[str, str]:
    layer, method, epsilon = key
    block = "all" if layer is None else str(layer).partition(".")[0]
    return block, method if epsilon is None else f"{method} {epsilon:g}"


def _cells(
    shown: Sequence[Key], rows: Mapping[Key, Measurement], written: Callable[[Measurement], str]
) -> dict[Layer, str]:
    return {place: written(rows[key]) if key in rows else "" for place, key in enumerate(shown)}
