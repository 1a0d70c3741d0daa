"""How often a model prefers the right sentence of an item: the accuracy of a suite."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from probekit.ablation.metrics import Entry, FloatArray, Metric
from probekit.ablation.metrics._headed import Texts, open_headed
from probekit.ablation.passes import Scored, scored_tokens
from probekit.behaviour.clusters import credit_of
from probekit.behaviour.grouping import first_of_each
from probekit.behaviour.items import Item
from probekit.behaviour.judges import kept_of, left_out, unscorable
from probekit.behaviour.judging import scored_spans
from probekit.behaviour.opening import open_suite
from probekit.behaviour.scoring.making import Session
from probekit.behaviour.scoring.readings import Reading as Text
from probekit.behaviour.valuing import readings_of
from probekit.statistics.bootstrap import SHARE


def read(argument: str, session: Session, limit: int | None) -> Texts:
    """Read the items of a suite that are choices between sentences."""
    opened = open_suite(argument)
    items, notes = list(opened.items), list(opened.remarks)
    if limit is not None:
        items, said = first_of_each(items, limit, "")
        notes += said
    readings = readings_of(items, session)
    left = unscorable(items, readings, session)
    for place, item in enumerate(items):
        if item.claim or len(item.sentences) == 1:
            left[place] = "which are no choice between sentences"
    notes += left_out(items, left)
    entries = [_entry(items[place], readings[place], session) for place in kept_of(items, left, opened.name)]
    return Texts(entries, notes, "template", "Scores are sums of log-probabilities,")


def _entry(item: Item, readings: Sequence[Text], session: Session) -> Entry:
    texts = []
    for sentence, reading in zip(item.sentences, readings, strict=True):
        tokens = scored_tokens(reading, session)
        if len(spans := scored_spans(sentence)) > 1:
            starts = [int(reading.start[token]) if token < len(reading.ids) else -1 for token in tokens]
            inside = [any(first <= start < stop for first, stop in spans) for start in starts]
            tokens = tokens[np.array(inside, bool)]
        texts.append(Scored(reading, tokens))
    return Entry(f"{item.phenomenon} {item.template}", tuple(texts), item.right)


def count(entry: Entry, totals: FloatArray) -> tuple[float, float]:
    """Count an item, 1 where the right sentence is preferred."""
    return credit_of(totals, entry.right), 1.0


def weigh(entry: Entry, totals: FloatArray) -> list[float]:
    """Weigh by the margin: of the right sentence above the best other."""
    rival = max((place for place in range(len(totals)) if place != entry.right), key=totals.__getitem__)
    return [float(place == entry.right) - float(place == rival) for place in range(len(totals))]


METRIC = Metric(
    "behave",
    partial(open_headed, read),
    count,
    weigh,
    score="accuracy",
    bounds=SHARE,
    higher=True,
    argument="SUITE",
    help="Accuracy on a suite of sentences to choose between.",
)
