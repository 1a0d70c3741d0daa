"""Scores of their own that suites have, as rows of the report: stereotype scores, gaps.

Enters: suites, items, and what every method says of their sentences. Leaves: a row for each score, of each method that
has a score for every item.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from probekit.behaviour.bias.score import BiasScore
from probekit.behaviour.items import Item
from probekit.behaviour.judging import scores_of
from probekit.behaviour.measuring import Method
from probekit.behaviour.suites import Suite
from probekit.report import Measurement
from probekit.statistics.bootstrap import LEVEL


def measure_rows(
    suite: str, suites: Sequence[Suite], items: Sequence[Item], methods: Sequence[Method], *, normalise: str
) -> list[Measurement]:
    """Return the scores of the suites' authors, by each method.

    Parameters
    ----------
    suite : str
        As the user wrote it.
    suites : sequence of Suite
        Those without scores of their own are passed over.
    items : sequence of Item
    methods : sequence of Method
        The model the report is about first.
    normalise : str
    """
    rows = []
    for measured in suites:
        places = [place for place, item in enumerate(items) if item.suite == measured.name]
        if measured.measures is None or not places:
            continue
        own = [items[place] for place in places]
        for method in methods:
            its = [scores_of(method.values[place], normalise if method.model else "sum") for place in places]
            if not any(math.isnan(score) for scores in its for score in scores):
                found = measured.measures(own, its)
                rows += [_row(suite, method, methods[0].model, score) for score in found]
    return rows


def _row(suite: str, method: Method, model: str, score: BiasScore) -> Measurement:
    said = [] if score.unbiased is None else [f"{score.unbiased:g} without a preference"]
    if score.ties:
        said.append(f"{score.ties:,} ties, each a half")
    return Measurement(
        stage="behave",
        task=f"{suite}:{score.group}" if score.group else suite,
        model=method.model or model,
        corpus=suite,
        split="test",
        layer=None,
        method=method.name,
        role=method.role,
        metric=score.measure.lower().replace(",", "").replace(" ", "_"),
        value=None if math.isnan(score.value) else score.value,
        low=score.low,
        high=score.high,
        level=LEVEL if score.low is not None else None,
        n=score.n,
        n_groups=score.n_units,
        unit=score.unit,
        note="; ".join(said),
    )
