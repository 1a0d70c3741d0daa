"""The items one by one: what a report's item table says of each.

Enters: items with what the model says of their sentences, and every method's credit. Leaves: a row an item, plain data.
Surprise: a score may be of a part of a sentence alone; then ``scored`` tells which words, else it is empty.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from probekit.behaviour.items import Item
from probekit.behaviour.judging import Value, Verdict, scored_spans, scored_text, scores_of
from probekit.statistics.bootstrap import FloatArray


def item_rows(
    items: Sequence[Item],
    values: Sequence[Sequence[Value]],
    verdicts: Sequence[Verdict],
    *,
    credits: Mapping[str, FloatArray],
    normalise: str,
    fills: bool = False,
) -> list[dict[str, Any]]:
    """Return a row an item: its sentences, and what the model and the others made of them.

    Parameters
    ----------
    items : sequence of Item
    values : sequence of sequences of Value
        What the model says, of each item a sentence each.
    verdicts : sequence of Verdict
        Its own.
    credits : mapping of str to float64 array [items]
        Of every method.
    normalise : str
    fills : bool
        Whether the model scored of a sentence with a blank the words in it alone.

    Returns
    -------
    list of dict
        An item with a claim (its formula) has no sentence that is right.
    """
    found = []
    for place, (item, its, verdict) in enumerate(zip(items, values, verdicts, strict=True)):
        parts = not item.claim and any(scored_spans(sentence, fills=fills) for sentence in item.sentences)
        found.append(
            {
                "id": item.id,
                "phenomenon": item.phenomenon,
                "template": item.template,
                "sentences": [sentence.text for sentence in item.sentences],
                "conditions": [sentence.condition for sentence in item.sentences],
                "scored": [scored_text(sentence, fills=fills) for sentence in item.sentences] if parts else [],
                "claim": item.claim,
                "right": None if item.claim else item.right,
                "chosen": verdict.chosen,
                "scores": _finite(scores_of(its, normalise)),
                "margin": _finite([verdict.margin])[0],
                "logprobs": _finite([value.total for value in its]),
                "tokens": [value.tokens for value in its],
                "words": [value.words for value in its],
                "unigram_logprobs": _finite([value.unigram for value in its]),
                "credits": {label: float(column[place]) for label, column in credits.items()},
                "facts": dict(item.facts),
            }
        )
    return found


def _finite(values: Sequence[float]) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values]
