"""The bill: what each strategy cost and what it reached, side by side.

Enters: runs of several plans, each with several seeds or folds. Leaves: a :class:`Bill`: a frame, a table, a figure,
and whether to extract features or to fine-tune, with the reason. Intervals are over seeds, so they speak of training
again, and over folds, of training on other texts of the same; of one run there is none.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit import plain
from probekit.report.render.drawing import INK, own_axes, save_figure, write_title
from probekit.statistics.bootstrap import bounds_of
from probekit.tuning.data.materials import probing_seconds
from probekit.tuning.verdict.bill_lines import cells_of, lines_of_slices
from probekit.tuning.verdict.entry import (
    Entry,
    Repeat,
    check_distinct_runs,
    gaps_between,
    reach_of_runs,
    repeats_in_words,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from probekit.report import LayerReport
    from probekit.tuning.training.run import Tuned

WORTH = 0.01
"""A gain on dev below this is not worth fine-tuning for."""


@dataclass(frozen=True, slots=True)
class Total:
    """What a strategy comes to over its runs.

    Attributes
    ----------
    strategy : str
    seeds, folds : int
        How many of each it was run with; 0 folds where the parts are those of the corpus.
    repeats : str
        Both as a table has them: ``3``, ``3 x 5``.
    dev, test : float
        Means.
    low, high : float or None
        Ends of the 95 % interval of the mean on test over runs; None of one run.
    """

    strategy: str
    seeds: int
    folds: int
    repeats: str
    metric: str
    dev: float
    test: float
    low: float | None
    high: float | None
    trained: int
    run: int
    stored: int
    peak_memory: int
    seconds: float
    extraction_seconds: float
    tokens_per_second: float
    first_seconds: float

    @property
    def training(self) -> float:
        """Seconds of training, of the stages before it too."""
        return self.seconds + self.first_seconds


class Bill:
    """Runs of several strategies on one task.

    Parameters
    ----------
    entries : sequence of Entry
    probing_seconds : float, optional
        What the report cost, where that is known.

    Raises
    ------
    UsageError
        A strategy has two runs with one seed on one fold.
    """

    def __init__(self, entries: Sequence[Entry], *, probing_seconds: float | None = None) -> None:
        self.entries = tuple(entries)
        check_distinct_runs(self.entries)
        self.probing_seconds = probing_seconds

    @classmethod
    def of(cls, runs: Mapping[str, Tuned | Sequence[Tuned]], *, report: LayerReport | None = None) -> Bill:
        """Make the bill of runs.

        Parameters
        ----------
        runs : mapping of str to Tuned or sequence of Tuned
            By the name of their strategy; several of one are its seeds and folds.
        report : LayerReport, optional
            That the plan was made from: its probing is named below the table.
        """
        several = {name: list(own) if isinstance(own, Sequence) else [own] for name, own in runs.items()}
        entries = [Entry.of(name, tuned) for name, own in several.items() for tuned in own]
        return cls(entries, probing_seconds=probing_seconds(report))

    @property
    def totals(self) -> list[Total]:
        """One a strategy, in the order of the runs."""
        return [_total([one for one in self.entries if one.strategy == name]) for name in self.strategies]

    @property
    def strategies(self) -> list[str]:
        """Their names."""
        return list(dict.fromkeys(one.strategy for one in self.entries))

    @property
    def frame(self) -> pd.DataFrame:
        """One line a strategy."""
        import pandas as pd

        return pd.DataFrame([asdict(total) for total in self.totals])

    def advice(self) -> str:
        """Say whether to extract features or to fine-tune, and why; the choice looks at dev alone."""
        totals = {total.strategy: total for total in self.totals}
        heads = [total for total in totals.values() if total.trained == min(one.trained for one in totals.values())]
        others = [total for total in totals.values() if total not in heads]
        if not others or len(totals) < 2:
            return "One strategy alone is no comparison: run others beside it (--beside head-only --beside full)."
        best, head = max(others, key=lambda total: total.dev), heads[0]
        gaps = self._gaps(best.strategy, head.strategy)
        spread, price = reach_of_runs(gaps), best.training / max(head.training, 1e-9)
        gain = best.dev - head.dev if spread is None else float(np.mean([*gaps.values()]))
        what = f"{best.strategy} has {best.dev:.3f} {best.metric} on dev, {head.strategy} {head.dev:.3f}"
        over, _ = repeats_in_words(self.entries)
        cost = f"at {price:.1f} times the seconds and {best.trained / max(head.trained, 1):,.0f} times the parameters"
        if spread is None:
            both = "one run" if gaps else "no run"
            return f"{what}, {cost}; of {both} that both have it cannot be said whether that is chance (--seeds 3)."
        if gain - spread > 0:
            return f"Fine-tune: {what}, {gain:+z.3f} (+- {spread:.3f} over {over}), {cost}."
        said = f"{what}, a difference of {gain:+z.3f} (+- {spread:.3f} over {over}), {cost}"
        if gain + spread < WORTH:
            return f"Extract features: {said}."
        return f"Not decided: {said}. More seeds would tell (--seeds); until then features are the cheaper way."

    def _gaps(self, a: str, b: str) -> dict[Repeat, float]:
        """Return the difference on dev in each run that both have."""
        return gaps_between(*({one.repeat: one.dev for one in self.entries if one.strategy == name} for name in (a, b)))

    def __str__(self) -> str:
        """Return the table."""
        head = (
            "strategy",
            repeats_in_words(self.entries)[0],
            self.entries[0].metric,
            "interval",
            "trained",
            "stored",
            "seconds",
            "tokens/s",
            "memory",
        )
        rows = [head, *map(cells_of, self.totals)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        lines = [
            "  ".join(
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        said = []
        if any(total.extraction_seconds for total in self.totals):
            said.append("seconds: training + the extraction that frozen layers were read from")
        for total in self.totals:
            if total.first_seconds:
                said.append(
                    f"seconds of {total.strategy}: {total.first_seconds:,.1f} of them are of the stages before it"
                )
        if self.probing_seconds is not None:
            said.append(f"the report cost {self.probing_seconds:,.0f} s of probing, which is in no row")
        lines = [lines[0], "-" * max(map(len, lines)), *lines[1:], *said]
        return "\n".join([*lines, *lines_of_slices(self.entries), self.advice()])

    def plot(self, ax: Axes | None = None, *, by: str = "trained") -> Axes:
        """Draw the score against parameters that trained, or against seconds.

        Parameters
        ----------
        ax : Axes, optional
        by : {"trained", "seconds"}
        """
        by = plain.choice(by, "by", ("trained", "seconds"))
        ax = own_axes(ax)
        for place, total in enumerate(self.totals):
            x = total.trained if by == "trained" else total.training + total.extraction_seconds
            error = (
                None
                if total.low is None or total.high is None
                else [[total.test - total.low], [total.high - total.test]]
            )
            ax.errorbar([x], [total.test], yerr=error, fmt=_MARKS[place % len(_MARKS)], color=INK, capsize=3)
            ax.annotate(total.strategy, (x, total.test), xytext=(6, 4), textcoords="offset points")
        ax.set_xlabel("parameters that train" if by == "trained" else "seconds")
        ax.set_ylabel(f"test {self.entries[0].metric}")
        ax.set_xscale("log")
        ax.margins(x=0.25, y=0.15)
        spots = [x for x in _ROUND if ax.get_xlim()[0] <= x <= ax.get_xlim()[1]]
        ax.set_xticks(spots[:: 1 + len(spots) // 6], minor=False)
        ax.set_xticks([], minor=True)
        ax.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        over, number = repeats_in_words(self.entries)
        one = all(total.low is None for total in self.totals)
        write_title(ax, "the bill", "one run each, so no interval" if one else f"95 % intervals over {number} {over}")
        return ax

    def save_plot(self, path: str | os.PathLike[str], *, by: str = "trained") -> Path:
        """Write the figure as PNG, SVG or PDF."""
        return save_figure(plain.path(path, "path"), lambda ax: self.plot(ax, by=by))

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "schema": "probekit.bill/1",
            "runs": [asdict(entry) for entry in self.entries],
            "strategies": [asdict(total) for total in self.totals],
            "probing_seconds": self.probing_seconds,
            "advice": self.advice(),
        }


_ROUND = [unit * 10**power for power in range(11) for unit in (1, 2, 5)]
_MARKS = ("o", "s", "^", "D", "v", "P", "X")
_MEAN = ("dev", "test", "seconds", "extraction_seconds", "tokens_per_second", "first_seconds")


def _total(entries: Sequence[Entry]) -> Total:
    values: dict[str, Any] = {}
    for own in fields(Entry):
        found = [getattr(entry, own.name) for entry in entries]
        values[own.name] = float(np.mean(found)) if own.name in _MEAN else found[0]
    del values["seed"], values["slices"], values["fold"]
    mean, reach = values["test"], reach_of_runs({entry.repeat: entry.test for entry in entries})
    low = high = None
    if reach is not None:
        least, most = bounds_of(entries[0].metric)
        low, high = max(least, mean - reach), min(most, mean + reach)
    values["peak_memory"] = max(entry.peak_memory for entry in entries)
    seeds, folds = {one.seed for one in entries}, {one.fold for one in entries} - {None}
    repeats = repeats_in_words(entries)[1]
    return Total(**values, seeds=len(seeds), folds=len(folds), repeats=repeats, low=low, high=high)
