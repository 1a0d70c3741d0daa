"""The control of co-occurrence in a report: each score beside that of the same items with content words exchanged.

Enters: items, and an annotated corpus that says of what kind their words are. Leaves: a row beside each accuracy (role
``control``, metric ``accuracy_exchanged``), and its paired difference. Surprise: both are of the items that could be
exchanged and that every method has a score of in either form, which may be fewer than the others are of.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from probekit.behaviour.baselines import WordScorer
from probekit.behaviour.exchange import Exchanged, exchange, kinds_of
from probekit.behaviour.grouping import groups_of
from probekit.behaviour.items import Item
from probekit.behaviour.judges import Judged, left_out, without_score
from probekit.behaviour.measuring import Method, Row
from probekit.behaviour.valuing import baseline_methods
from probekit.corpus import open_corpus
from probekit.corpus.notes import list_names
from probekit.errors import InputError
from probekit.report import Measurement
from probekit.statistics.bootstrap import FloatArray
from probekit.statistics.panels import Panel, corrected

METRIC = "accuracy_exchanged"


@dataclass(frozen=True, slots=True)
class Control:
    """Items with content words exchanged, and where they stood.

    Attributes
    ----------
    made : Exchanged
    before : tuple of Item
        Each of its items as it was.
    places : tuple of int
        Of each, in the suite.
    seed : int
    notes : tuple of str
        How many items and words there are, and what could not be exchanged.
    """

    made: Exchanged
    before: tuple[Item, ...]
    places: tuple[int, ...]
    seed: int
    notes: tuple[str, ...]


def control_of(items: Sequence[Item], kinds: Mapping[str, str] | str | os.PathLike[str], *, seed: int = 0) -> Control:
    """Exchange the content words of items.

    Parameters
    ----------
    items : sequence of Item
    kinds : mapping of str to str, or path
        Kinds of words in lower case, or a corpus that states them (``upos`` and ``feats``).
    seed : int
        Fixes who gives to whom.

    Raises
    ------
    InputError
        A corpus without these annotations; no item that can be exchanged.
    """
    if isinstance(kinds, Mapping):
        said = f"{len(kinds):,} words of known kinds"
    else:
        said = f"kinds of words as in {os.fspath(kinds)}"
        kinds = kinds_of(open_corpus(os.fspath(kinds)))
    made = exchange(items, kinds, seed=seed)
    reasons = Counter(each.reason for each in made.skipped)
    failed = [
        f"{count:,} of {len(items):,} items cannot be exchanged, {why}: "
        f"{list_names([each.id for each in made.skipped if each.reason == why])}."
        for why, count in reasons.items()
    ]
    if not made.items:
        raise InputError(
            f"No content word can be exchanged ({said}). {' '.join(failed)} Give a corpus with these words."
        )
    place = {item.id: at for at, item in enumerate(items)}
    notes = (
        f"Content words are exchanged in {len(made.items):,} of {len(items):,} items ({said}): {made.moved:,} words; "
        f"{made.kept:,} others, of no known kind or none of content, stay.",
        *failed,
    )
    places = tuple(place[item.id] for item in made.items)
    return Control(made, tuple(items[at] for at in places), places, seed, notes)


def control_rows(
    control: Control,
    row: Row,
    judged: Judged,
    counted: Mapping[str, WordScorer],
    *,
    methods: Sequence[Method],
    left: Mapping[int, str],
    normalise: str,
    by: str,
) -> tuple[list[Measurement], list[str]]:
    """Return the rows of the control, and what is to be said of it.

    Parameters
    ----------
    control : Control
        Its items were the other items of every judge.
    row : Row
        Of all items.
    judged : Judged
    counted : mapping of str to WordScorer
        Baselines.
    methods : sequence of Method
        What models and, behind them, baselines said of the items before, at all places of the suite.
    left : mapping of int to str
        Places of the suite that were left out.
    normalise, by : str
        As of :func:`~probekit.behave`.
    """
    made = control.made.items
    after = [*judged.beside, *baseline_methods(made, counted)]
    lost = without_score(made, after)
    for its in judged.left_beside:
        lost.update(its)
    lost = {n: why for n, why in lost.items() if control.places[n] not in left}
    kept = [n for n, place in enumerate(control.places) if place not in left and n not in lost]
    notes = [*control.notes, *(f"Exchanged, {said}" for said in left_out(made, lost))]
    if not kept:
        return [], [*notes, "No item is left to compare with itself after words were exchanged."]
    items, own = [made[n] for n in kept], [control.before[n] for n in kept]
    credits, shown = [], []
    for method, other in zip(methods, after, strict=True):
        pair = method.take([control.places[n] for n in kept]), other.take(kept)
        if method.model:
            pair = pair[0].with_unigram(own, counted), pair[1].with_unigram(items, counted)
        columns = [[each.credit for each in its.verdicts(items, normalise)] for its in pair]
        if not any(math.isnan(credit) for column in columns for credit in column):
            credits += columns
            shown.append(method)
    rows = _rows(row, items, shown, np.array(credits, np.float64).T, by=by, seed=control.seed)
    return rows, notes


def _rows(
    row: Row, items: Sequence[Item], methods: Sequence[Method], credits: FloatArray, *, by: str, seed: int
) -> list[Measurement]:
    """Return two rows a method and group, from credits [items, 2 * methods], before and after in turn."""
    groups = groups_of(items, by)
    parts: dict[str | None, Sequence[int]] = {None: range(len(items))}
    if len(groups) > 1:
        parts.update({name: places.tolist() for name, places in groups.items()})
    panels = {
        name: Panel([items[place].template for place in places], credits[list(places)], seed=seed)
        for name, places in parts.items()
    }
    rows = []
    for at, method in enumerate(methods):
        gaps = {name: panel.difference(2 * at, 2 * at + 1) for name, panel in panels.items()}
        named = [name for name in gaps if name is not None]
        adjusted = dict(zip(named, corrected([gaps[name] for name in named]), strict=True))
        for name, panel in panels.items():
            p = gaps[name].p if name is None else adjusted[name]
            said = f"{panel.points[2 * at]:.3f} before, of the same items"
            note = said if p is None else f"{said}; p {p:.2g}{' (Holm)' if name is not None else ''}"
            its = replace(row, phenomenon=name)
            rows.append(its.make(method, panel.rate(2 * at + 1), metric=METRIC, role="control", note=note))
            rows.append(its.make(method, gaps[name].rate, metric=METRIC, role="difference", note="before less after"))
    return rows
