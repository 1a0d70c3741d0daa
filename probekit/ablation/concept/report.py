"""Readable against used: :class:`ConceptReport`.

Enters: rows and how they came about. Leaves: tables, a figure, a file. The rows are those of every report (stage
``ablate``): of a task at a layer what a probe reads (``probe``, ``probe after leace``, ``majority``), what the model
says of the words that bear the label (``whole``, ``leace``, ``random_loss``; metrics ``top1`` and ``logprob``), and
what the probes of other tasks read there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from probekit.ablation.concept.fitting import CONTROLS
from probekit.ablation.concept.rows import ACCURACY, MAJORITY, PROBE, after, difference
from probekit.ablation.concept.used import LOGPROB
from probekit.report import Measurement
from probekit.report.rows import RowReport
from probekit.sites import Layer

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class ConceptReport(RowReport):
    """What is readable of tasks, and what a model uses of it.

    Attributes
    ----------
    rows : tuple of Measurement
    provenance : mapping
        ``tasks``, ``model``, ``corpus``, ``cache``, ``settings``, ``erasures`` (task, layer, rank, share of the
        variance), ``notes``.
    """

    def __repr__(self) -> str:
        return f"ConceptReport({self.heading!r}, rows={len(self.rows)})"

    @property
    def heading(self) -> str:
        """What was erased from which model, and where it was found."""
        return f"{self.title}, found at '{self.at}'" if self.at else self.title

    @property
    def title(self) -> str:
        """What was erased from which model."""
        model = self.provenance.get("model", {})
        where = "all layers" if self.provenance.get("settings", {}).get("everywhere") else "one layer"
        return f"readable and used · {model.get('name', '')} · {self.eraser} at {where}"

    @property
    def at(self) -> str | None:
        """The position that erasers were fitted at; None: in the words of the targets."""
        found = self.provenance.get("settings", {}).get("at")
        return None if found is None else str(found)

    @property
    def eraser(self) -> str:
        """Name of the eraser."""
        return str(self.provenance.get("settings", {}).get("eraser", ""))

    @property
    def cases(self) -> tuple[tuple[str, Layer], ...]:
        """Task and layer of every erasure."""
        return tuple((str(found["task"]), found["layer"]) for found in self.provenance.get("erasures", ()))

    def row(self, task: str, layer: Layer, method: str, metric: str = ACCURACY) -> Measurement | None:
        """Return the row of a method, if there is one."""
        return next(
            (row for row in self.rows
             if (row.task, row.layer, row.method, row.metric) == (task, layer, method, metric)), None
        )  # fmt: skip

    def readable(self, task: str, layer: Layer) -> bool | None:
        """Whether a probe beats the majority, by its interval; None without one."""
        gain = self.row(task, layer, difference(PROBE, MAJORITY))
        return None if gain is None or gain.low is None else gain.low > 0

    def used(self, task: str, layer: Layer) -> bool | None:
        """Whether log-probability falls further than under either random erasure, by the intervals; None without."""
        rows = [self.row(task, layer, difference(self.eraser, control), LOGPROB) for control in CONTROLS]
        highs = [None if row is None else row.high for row in rows]
        return None if None in highs else all(high is not None and high < 0 for high in highs)

    def other(self, task: str, layer: Layer, other: str) -> Measurement | None:
        """Return what the probe of another task lost, as a difference of accuracies."""
        return self.row(task, layer, difference(after(other, self.eraser), other))

    def table(self, width: int | None = None) -> str:
        """Return the tables as text: readable, used, other tasks."""
        from probekit.ablation.concept.render import render

        return render(self, width)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what is used against what is readable, a point a task, with intervals and the random erasure."""
        from probekit.ablation.concept.render import plot

        return plot(self, ax)
