"""Rows of measurements with their provenance: :class:`LayerReport`.

What enters is the rows of one task on one model and corpus; what leaves is a frame, a file, a table, a figure, and the
layer to use. :meth:`LayerReport.best_layer` and :meth:`LayerReport.expected_layer` read only dev rows; the test rows
never choose anything.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit import plain
from probekit.controls import control_of
from probekit.errors import InputError
from probekit.report.conclusions import (
    BestLayer,
    Point,
    check_names,
    mean_gain,
    not_worse_layers,
    points_of,
    rows_of,
    summarise,
)
from probekit.report.measurement import Measurement
from probekit.report.rows import StoredReport
from probekit.sites import Layer, layer_order, split_layer

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from probekit.report.render.table import ReportTable


SECONDS, STUDY = "seconds", "study"
"""Of the provenance: what was measured by the clock; and of that, what no analysis took."""


@dataclass(frozen=True)
class LayerReport(StoredReport):
    """The answer to one task at every layer of one model.

    Attributes
    ----------
    rows : tuple of Measurement
        Any order; floors carry no layer.
    provenance : mapping
        JSON-able. ``schema`` (filled in), ``task``, ``model`` and ``corpus`` (dicts with a
        ``name`` and digests), ``cache`` (path), ``settings`` (``estimator``, ``metric``, ``kind``
        and whatever else was set), ``notes`` (a list of sentences), ``tests``:
        ``{"split", "metric", "level", "not_worse": [layers], "neighbours": [...]}``, and ``seconds`` by the clock, of
        the ``study`` and of each analysis by name: all that differs where the same is measured again.
    """

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", plain.all_of(self.rows, "rows", Measurement, "a list of Measurements"))
        plain.one_of(self.provenance, "provenance", Mapping, "a mapping")
        super().__post_init__()

    def __repr__(self) -> str:
        return f"LayerReport(task={self.task!r}, model={self.model!r}, corpus={self.corpus!r}, rows={len(self.rows)})"

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the table, and the curve where there are scores."""
        from probekit.report.page.snippet import report_snippet

        return report_snippet(str(self), self.plot if self.points() else None)

    @property
    def task(self) -> str:
        """What was asked, ``pos`` or ``morph:Number``."""
        return str(self.provenance.get("task") or (self.rows[0].task if self.rows else ""))

    @property
    def model(self) -> str:
        """Name of the model; of a control model with its seed, ``minilm random 0``, ``minilm shuffled-layers 0``."""
        model = self.provenance.get("model")
        name = _name(model) or (self.rows[0].model if self.rows else "")
        control = control_of(model) if isinstance(model, Mapping) else None
        return name if control is None else f"{name} {control.name}"

    @property
    def corpus(self) -> str:
        """Name of the corpus."""
        return _name(self.provenance.get("corpus")) or (self.rows[0].corpus if self.rows else "")

    @property
    def settings(self) -> Mapping[str, Any]:
        """What was set when it was measured."""
        settings = self.provenance.get("settings")
        return settings if isinstance(settings, Mapping) else {}

    @property
    def seconds(self) -> Mapping[str, float]:
        """What it took by the clock: the ``study``, and each analysis beside it by name; empty where unknown."""
        seconds = self.provenance.get(SECONDS)
        return seconds if isinstance(seconds, Mapping) else {}

    @property
    def method(self) -> str:
        """The estimator whose scores the report is about (``logistic``)."""
        named = self.settings.get("estimator")
        methods = list(dict.fromkeys(row.method for row in self.rows if row.role == "estimator"))
        return str(named or "") if named in methods or not methods else methods[0]

    @property
    def metric(self) -> str:
        """The main metric (``accuracy``)."""
        return str(self.settings.get("metric") or "accuracy")

    @property
    def layers(self) -> tuple[int | str, ...]:
        """Layers with a score, bottom to top, ``final`` last; the encoder before the decoder."""
        return tuple(sorted({row.layer for row in self.rows if row.layer is not None}, key=layer_order))

    @property
    def stacks(self) -> tuple[str, ...]:
        """``("",)``, or ``("encoder", "decoder")``."""
        return tuple(dict.fromkeys(split_layer(layer)[0] for layer in self.layers))

    @property
    def frame(self) -> pd.DataFrame:
        """One line a row, one column a field of :class:`Measurement`."""
        import pandas as pd

        columns = [column.name for column in fields(Measurement)]
        data: dict[str, Any] = {name: [getattr(row, name) for row in self.rows] for name in columns}
        # `layer` holds ints and names: an object column, or pandas would make floats of the ints.
        data["layer"] = pd.Series(data["layer"], dtype=object)
        return pd.DataFrame(data, columns=columns)

    def select(
        self, method: str | None = None, *, split: str | None = None, metric: str | None = None
    ) -> tuple[Measurement, ...]:
        """Return the rows that agree with everything given.

        Raises
        ------
        UsageError
            A name that nothing in the report has.
        """
        check_names(self, method=method, split=split, metric=metric)
        return rows_of(self, method, split=split, metric=metric)

    def points(
        self, method: str | None = None, *, split: str = "test", metric: str | None = None
    ) -> dict[Layer, Point]:
        """Return what is shown of a method, by layer, bottom to top.

        Several seeds at a layer become their mean; its interval is that of the row without a seed
        where the stage measured one, else there is none. Empty where a usual method (``control`` ...) was not measured.

        Raises
        ------
        UsageError
            A name that nothing in the report has.
        """
        check_names(self, method=method, split=split, metric=metric)
        return points_of(self, method, split=split, metric=metric)

    def floor(self, method: str, *, split: str = "test", metric: str | None = None) -> Point | None:
        """Return a floor (``majority``, ``word_type`` ...), or None where it was not measured."""
        return self.points(method, split=split, metric=metric).get(None)

    def best_layer(self, metric: str | None = None) -> BestLayer:
        """Choose the layer with the best score on dev.

        Raises
        ------
        InputError
            The report has no dev rows: choosing on test would make its score a lie.
        UsageError
            A metric that the report does not have.
        """
        check_names(self, metric=metric)
        metric = metric or self.metric
        dev = {layer: point for layer, point in self.points(split="dev", metric=metric).items() if layer is not None}
        if not dev:
            raise InputError(
                f"The report of '{self.task}' has no dev rows of {self.method} {metric}, so no layer can be "
                "chosen. Probe a corpus with a dev part."
            )
        layer = max(dev, key=lambda place: dev[place].value)
        test = self.points(metric=metric).get(layer)
        not_worse = not_worse_layers(self.provenance.get("tests"), layer) if metric == self.metric else None
        return BestLayer(layer, dev[layer].value, test.value if test else None, not_worse)

    def expected_layer(self, stack: str | None = None, *, metric: str | None = None) -> float | None:
        r"""Return the layer at which the score is gained, on average.

        With :math:`b_l` the best dev score of layers up to :math:`l` and :math:`g_l = b_l - b_{l-1}`,

        .. math:: \sum_l l \, g_l \,/\, \sum_l g_l .

        This is our approximation of Tenney et al.'s expected layer, whose scores come from a learned
        mix of layers 0 .. l: here each layer is probed alone and the running maximum stands in for
        the mix. ``final`` is not a depth and takes no part.

        Parameters
        ----------
        stack : str, optional
            ``encoder`` or ``decoder``; the first stack by default.
        metric : str, optional
            The report's main metric by default.

        Returns
        -------
        float or None
            In layers; None where no layer gains on the lowest one (or there is only one).

        Raises
        ------
        UsageError
            A stack or metric that the report does not have.

        References
        ----------
        Tenney, Das & Pavlick 2019, BERT rediscovers the classical NLP pipeline.
        """
        check_names(self, metric=metric, stack=stack)
        wanted = (self.stacks[0] if self.stacks else "") if stack is None else stack
        points = self.points(split="dev", metric=metric)
        curve = []
        for layer, point in points.items():
            owner, place = split_layer(layer)
            if owner == wanted and isinstance(place, int):
                curve.append((place, point.value))
        return mean_gain(curve)

    def summary(self) -> dict[str, Any]:
        """Return the few numbers most people look for; None where one was not measured."""
        return summarise(self)

    def to_json(self) -> dict[str, Any]:
        """Return one document: the provenance, ``rows`` and ``summary``."""
        head = {name: self.provenance.get(name) for name in ("schema", "task", "model", "corpus", "cache")}
        head["task"] = self.task
        rest = {name: value for name, value in self.provenance.items() if name not in head}
        return {**head, **rest, "rows": [row.to_json() for row in self.rows], "summary": self.summary()}

    def table(self) -> ReportTable:
        """Return the table: ``str()`` is plain text, and rich prints it in colour."""
        from probekit.report.render.table import ReportTable

        return ReportTable(self)

    def plot(self, ax: Axes | None = None, *, metric: str | None = None) -> Axes:
        """Draw the layer curve on ``ax`` (a new figure by default) and return the axes.

        Raises
        ------
        UsageError
            A metric that the estimator was not scored by, or what is no axes.
        """
        from probekit.report.render.curve import plot_report

        return plot_report(self, ax, metric=metric)

    def save_plot(self, path: str | os.PathLike[str], *, metric: str | None = None) -> Path:
        """Write the layer curve as PNG, SVG or PDF (by the suffix); the same report gives the same bytes."""
        from probekit.report.render.drawing import save_figure

        return save_figure(plain.path(path, "path"), lambda ax: self.plot(ax, metric=metric))


def _name(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("name") or "")
    return str(value or "")
