"""Which neurons carry a task: :class:`NeuronReport`.

Enters: measurements and provenance. Leaves: tables, figures, frames, files. The rows are those of every report (stage
``view``): how many neurons a probe was given stands in ``strength``, as ``neurons``; single neurons have the label
behind the task's name, ``pos:NOUN``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probekit.errors import UsageError
from probekit.report import Measurement
from probekit.report.rows import RowReport

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class NeuronReport(RowReport):
    """Neurons of some layers, ranked for a task.

    Attributes
    ----------
    rows : tuple of Measurement
    provenance : mapping
        ``task``, ``model``, ``corpus``, ``cache``, ``settings``, ``rankings`` (every order of each layer),
        ``agreement``, ``neurons`` (what single ones answer to), ``notes``.
    """

    def __repr__(self) -> str:
        return f"NeuronReport({self.task!r}, layers={list(self.layers)}, rows={len(self.rows)})"

    @property
    def task(self) -> str:
        """What the neurons were ranked for."""
        return str(self.provenance.get("task", ""))

    @property
    def layers(self) -> tuple[int | str, ...]:
        """Layers and places inside of blocks, bottom to top."""
        return tuple(dict.fromkeys(row.layer for row in self.rows if row.layer is not None))

    @property
    def methods(self) -> tuple[str, ...]:
        """Rankings, in their order."""
        return tuple(dict.fromkeys(name for orders in self.provenance.get("rankings", {}).values() for name in orders))

    def sets(self, layer: int | str, method: str, *, split: str = "test") -> tuple[Measurement, ...]:
        """Return the scores of the first neurons of a ranking, or of random ones, by their number."""
        return tuple(
            row
            for row in self.rows
            if (row.layer, row.method, row.split, row.task) == (layer, method, split, self.task)
            and row.role != "difference"
        )

    def detectors(self, layer: int | str) -> dict[str, dict[str, Measurement]]:
        """Return the rows of the best neuron of each label by role; floors by method."""
        found: dict[str, dict[str, Measurement]] = {}
        for row in self.rows:
            if row.layer == layer and row.task.startswith(f"{self.task}:"):
                key = row.method if row.role == "floor" else row.role
                found.setdefault(row.task.removeprefix(f"{self.task}:"), {})[key] = row
        return found

    @property
    def orders(self) -> pd.DataFrame:
        """One line a neuron and ranking: ``layer``, ``ranking``, ``place`` (1 is first), ``neuron``."""
        import pandas as pd

        lines = [
            (layer, name, place, neuron)
            for layer, orders in self.provenance.get("rankings", {}).items()
            for name, order in orders.items()
            for place, neuron in enumerate(order, start=1)
        ]
        return pd.DataFrame(lines, columns=["layer", "ranking", "place", "neuron"])

    @property
    def agreement(self) -> pd.DataFrame:
        """One line a pair of rankings: Kendall's tau, overlap of the first ones, what chance gives, its p."""
        import pandas as pd

        return pd.DataFrame(list(self.provenance.get("agreement", ())))

    def neuron(self, layer: int | str, number: int) -> dict[str, Any]:
        """Return what is kept of a neuron: words, contexts, histogram.

        Raises
        ------
        UsageError
            The report holds no such neuron; those that it holds are named.
        """
        described: list[dict[str, Any]] = list(self.provenance.get("neurons", ()))
        for one in described:
            if (str(one["layer"]), one["neuron"]) == (str(layer), number):
                return one
        known = ", ".join(f"{one['layer']}:{one['neuron']}" for one in described)
        raise UsageError(f"The report describes no neuron {layer}:{number}. It describes: {known or 'none'}.")

    def first_neuron(self, asked: Sequence[tuple[str, int]] = ()) -> tuple[int | str, int]:
        """Return layer and number of the first neuron that was asked for, else of the first label's best one.

        Raises
        ------
        UsageError
            No neuron is described.
        """
        described = list(self.provenance.get("neurons", ()))
        if not described:
            raise UsageError("No neuron is described: no label has enough test targets. Name one with --neuron.")
        of = {(str(one["layer"]), one["neuron"]): one for one in described}
        one = of[asked[0]] if asked else described[0]
        return one["layer"], one["neuron"]

    def table(self) -> str:
        """Return the tables as text."""
        from probekit.viewing.neurons.render import render

        return render(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the score against the number of neurons, by each ranking and in random orders."""
        from probekit.viewing.neurons.render import plot

        return plot(self, ax)

    def plot_histogram(self, layer: int | str, number: int, ax: Axes | None = None) -> Axes:
        """Draw how often a neuron takes each value, by label."""
        from probekit.viewing.neurons.histogram import plot

        return plot(self, self.neuron(layer, number), ax)
