"""From values to the rows of a report: accuracies, floors, differences, confounds.

Enters: items and what every method says of their sentences. Leaves: measurements and the items one by one. No model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.behaviour.baselines import WordScorer, words_of
from probekit.behaviour.confounds import Confound, confounds_of
from probekit.behaviour.grouping import groups_of
from probekit.behaviour.item_rows import item_rows
from probekit.behaviour.items import Item
from probekit.behaviour.judging import (
    Value,
    Verdict,
    judge,
    scored_text,
    scores_of,
)
from probekit.report import Measurement
from probekit.statistics.bootstrap import FEWEST_UNITS, LEVEL
from probekit.statistics.panels import Compared, Panel, Rate, corrected
from probekit.statistics.units import how_many

UNIT = "template"


@dataclass(frozen=True, slots=True)
class Method:
    """What judges, and what it says.

    Attributes
    ----------
    name : str
        ``causal``, ``masked``, ``ngram``, ``majority`` ...
    model : str
        Empty of a baseline.
    role : str
        As of a :class:`~probekit.Measurement`.
    values : sequence of sequences of Value
        Of each item, a sentence each; empty where the item was left out.
    claims : mapping of int to bool
        Of items with a claim, whether it holds.
    fills : bool
        Whether it scored of a sentence with a blank the words in it alone.
    note : str
        What must be known beside its accuracies.
    """

    name: str
    model: str
    role: str
    values: Sequence[Sequence[Value]]
    claims: Mapping[int, bool]
    fills: bool = False
    note: str = ""

    def take(self, places: Sequence[int]) -> Method:
        """Keep some items."""
        claims = {new: self.claims[old] for new, old in enumerate(places) if old in self.claims}
        return replace(self, values=[self.values[place] for place in places], claims=claims)

    def with_unigram(self, items: Sequence[Item], baselines: Mapping[str, WordScorer]) -> Method:
        """Put the log-probability by frequency beside each value, where frequencies were counted."""
        counted = baselines.get("unigram")
        if counted is None:
            return self
        values = [
            [
                replace(value, unigram=counted.score(words_of(scored_text(sentence, fills=self.fills))))
                for sentence, value in zip(item.sentences, its, strict=True)
            ]
            for item, its in zip(items, self.values, strict=True)
        ]
        return replace(self, values=values)

    def verdicts(self, items: Sequence[Item], how: str) -> list[Verdict]:
        """Judge every item; an item with a claim by whether that holds, which a baseline cannot say."""
        how = how if self.model else "sum"
        found = []
        for place, item in enumerate(items):
            if not item.claim:
                found.append(judge(item, self.values[place], how))
            elif place in self.claims:
                found.append(Verdict(float(self.claims[place]), None, math.nan))
            else:
                found.append(Verdict(math.nan, None, math.nan))
        return found


@dataclass(frozen=True, slots=True)
class Found:
    """What goes with the rows: differences with their p values, the items one by one, sentences for people."""

    differences: list[dict[str, Any]]
    items: list[dict[str, Any]]
    notes: list[str]


def report_rows(
    suite: str, items: Sequence[Item], methods: Sequence[Method], *, normalise: str, seed: int = 0, by: str = ""
) -> tuple[list[Measurement], Found]:
    """Measure every method on every phenomenon and on all items.

    Parameters
    ----------
    suite : str
    items : sequence of Item
    methods : sequence of Method
        The model the report is about first.
    normalise : str
    seed : int
    by : str
        A fact of the items whose values stand in the place of phenomena.
    """
    verdicts = [method.verdicts(items, normalise) for method in methods]
    notes = []
    kept = []
    for place, (method, its) in enumerate(zip(methods, verdicts, strict=True)):
        lost = sum(math.isnan(verdict.credit) for verdict in its)
        if lost == 0 or place == 0:
            kept.append(place)
        else:
            notes.append(f"{method_label(method)} cannot judge {lost:,} of {len(items):,} items, and is left out.")
    methods, verdicts = [methods[place] for place in kept], [verdicts[place] for place in kept]
    credits = np.array([[verdict.credit for verdict in its] for its in verdicts], np.float64).T
    groups = groups_of(items, by)
    parts: dict[str | None, NDArray[np.int64]] = {None: np.arange(len(items))}
    if len(groups) > 1:
        parts.update(groups)
    panels = {
        name: Panel([items[place].template for place in places], credits[places], seed=seed)
        for name, places in parts.items()
    }
    differences, p_values = _differences(panels, methods)
    rows: list[Measurement] = []
    for name, panel in panels.items():
        rows += _accuracies(Row(suite, name, methods[0].model), panel, methods, p_values)
    confounds = _confounds(items, methods[0], normalise)
    for confound in confounds:
        rows += _confound_rows(Row(suite, None, methods[0].model), methods[0], confound, panels[None].n_units)
    if len(groups) > 1:
        of = f"{len(groups)} values of {by}" if by else f"{len(groups)} phenomena"
        rows += [
            _mean(Row(suite, None, methods[0].model), method, panels, place, of) for place, method in enumerate(methods)
        ]
    ties = sum(0 < verdict.credit < 1 for verdict in verdicts[0])
    if ties:
        notes.append(f"Ties in {how_many(ties, 'item')}: worth what guessing among the tied sentences would be.")
    few = sorted(str(name or "all items") for name, panel in panels.items() if panel.n_units < FEWEST_UNITS)
    if few:
        notes.append(f"Of fewer than {FEWEST_UNITS} templates there is no interval: {', '.join(few[:5])}.")
    labelled = {method_label(method): credits[:, place] for place, method in enumerate(methods)}
    own = methods[0]
    judged = item_rows(items, own.values, verdicts[0], credits=labelled, normalise=normalise, fills=own.fills)
    return rows, Found(differences, judged, notes)


@dataclass(frozen=True, slots=True)
class Row:
    """Where a row belongs.

    Attributes
    ----------
    suite : str
    phenomenon : str or None
        None: all items.
    model : str
        Of the methods that are of no model.
    """

    suite: str
    phenomenon: str | None
    model: str

    def make(
        self, method: Method, rate: Rate | None, *, metric: str = "accuracy", role: str = "", note: str = ""
    ) -> Measurement:
        """Return what was measured of a method."""
        task = self.suite if self.phenomenon is None else f"{self.suite}:{self.phenomenon}"
        return Measurement(
            stage="behave",
            task=task,
            model=method.model or self.model,
            corpus=self.suite,
            split="test",
            layer=None,
            method=method.name,
            role=role or method.role,
            metric=metric,
            value=rate.value if rate else None,
            low=rate.low if rate else None,
            high=rate.high if rate else None,
            level=LEVEL if rate and rate.low is not None else None,
            n=rate.n if rate else None,
            n_groups=rate.n_units if rate else None,
            unit=UNIT if rate else None,
            note=note,
        )


def _accuracies(
    row: Row, panel: Panel, methods: Sequence[Method], p_values: Mapping[tuple[str | None, int], float | None]
) -> list[Measurement]:
    rows = [row.make(method, panel.rate(place), note=method.note) for place, method in enumerate(methods)]
    for place, method in enumerate(methods[1:], start=1):
        p = p_values[row.phenomenon, place]
        said = f"{methods[0].name} of {methods[0].model} less {method_label(method)}"
        note = said if p is None else f"{said}; p {p:.2g} (Holm)"
        rate = panel.difference(0, place).rate
        rows.append(row.make(method, rate, metric="accuracy", role="difference", note=note))
    return rows


def method_label(method: Method) -> str:
    """Return the name of a method with its model's."""
    return f"{method.name} of {method.model}" if method.model else method.name


def _differences(
    panels: Mapping[str | None, Panel], methods: Sequence[Method]
) -> tuple[list[dict[str, Any]], dict[tuple[str | None, int], float | None]]:
    """Compare the model with every other method; each comparison is corrected over its phenomena."""
    found: list[dict[str, Any]] = []
    p_values: dict[tuple[str | None, int], float | None] = {}
    for place, method in enumerate(methods[1:], start=1):
        compared: dict[str | None, Compared] = {name: panel.difference(0, place) for name, panel in panels.items()}
        parts = [name for name in compared if name is not None]
        adjusted = dict(zip(parts, corrected([compared[name] for name in parts]), strict=True))
        for name, pair in compared.items():
            p_values[name, place] = adjusted[name] if name is not None else pair.p
            found.append(
                {
                    "phenomenon": name,
                    "model": method.model or methods[0].model,
                    "method": method.name,
                    "gain": pair.rate.value,
                    "low": pair.rate.low,
                    "high": pair.rate.high,
                    "p_holm": p_values[name, place],
                }
            )
    return found, p_values


def _confounds(items: Sequence[Item], method: Method, normalise: str) -> list[Confound]:
    """Return what length and, where frequencies were counted, frequency have to do with the scores."""
    these = [place for place, item in enumerate(items) if len(item.sentences) > 1 and not item.claim]
    if not these:
        return []
    kept, its = [items[place] for place in these], [method.values[place] for place in these]
    found = confounds_of(
        kept,
        [scores_of(values, normalise) for values in its],
        tokens=[[value.tokens for value in values] for values in its],
        unigram=[np.nan_to_num([value.unigram for value in values]) for values in its],
    )
    counted = not any(math.isnan(value.unigram) for values in its for value in values)
    return [confound for confound in found if counted or confound.name != "frequency"]


def _confound_rows(row: Row, method: Method, confound: Confound, n_templates: int) -> list[Measurement]:
    alone = Rate(confound.alone, confound.low, confound.high, confound.n, n_templates)
    floor = Method(confound.name, "", "floor", (), {})
    rows = [row.make(floor, alone, note=_ALONE[confound.name])]
    for metric, value, n in (
        (f"{confound.name}_correlation", confound.correlation, confound.n),
        (f"accuracy_where_{confound.name}_is_silent", confound.silent, confound.n_silent),
        (f"accuracy_against_{confound.name}", confound.against, confound.n_against),
    ):
        made = row.make(method, None, metric=metric, role="companion")
        rows.append(replace(made, value=value, n=n))
    return rows


_ALONE = {"length": "the sentence with fewer tokens", "frequency": "the sentence with the more frequent words"}


def _mean(row: Row, method: Method, panels: Mapping[str | None, Panel], place: int, of: str) -> Measurement:
    """Return the mean over phenomena, each of equal weight however many items it has; it has no interval."""
    values = [float(panel.points[place]) for name, panel in panels.items() if name is not None]
    rate = Rate(float(np.mean(values)), None, None, panels[None].credits.shape[0], panels[None].n_units)
    return row.make(method, rate, metric="mean_accuracy", note=f"over {of}")
