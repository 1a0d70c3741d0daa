"""Which sentence of an item each method prefers.

Enters: items, and what each method gave each of their sentences. Leaves: verdicts, whose credits
:mod:`probekit.statistics.panels` sums up. No model, no torch. A tie is worth what guessing among the tied would be: a
baseline that knows neither word then stands at chance, not at 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probekit.behaviour.clusters import credit_of, margin_of
from probekit.behaviour.confounds import Lengths, normalised
from probekit.behaviour.items import BLANK, SCORED, Item, Sentence


@dataclass(frozen=True, slots=True)
class Value:
    """What one method says of one sentence.

    Attributes
    ----------
    total : float
        Log-probability, nats; NaN where it has none.
    tokens, words : int
        How many were scored.
    unigram : float
        Log-probability of the same words by their frequency alone; NaN where no text was given to count.
    best : bool or None
        Whether every scored token was the likeliest; None of what scores words that it is shown and predicts none.
    """

    total: float
    tokens: int
    words: int
    unigram: float = math.nan
    best: bool | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a method makes of an item.

    Attributes
    ----------
    credit : float
        1 where the right sentence is preferred, 0 where another is, a share where they tie; NaN: no score.
    chosen : int or None
        The sentence with the highest score; None where several have it, or none.
    margin : float
        Score of the right sentence less the highest of the others; NaN of an item of one sentence.
    """

    credit: float
    chosen: int | None
    margin: float


def scored_spans(sentence: Sentence, *, fills: bool = False) -> tuple[tuple[int, int], ...]:
    """Return the parts of a sentence, in characters, that alone are scored; none of them: all of it is.

    Parameters
    ----------
    sentence : Sentence
    fills : bool
        Whether what scores reads both sides of a blank, and scores the words in it alone.
    """
    names = {region.name for region in sentence.regions}
    name = BLANK if fills and SCORED not in names else SCORED
    return tuple((region.start, region.stop) for region in sentence.regions if region.name == name)


def scored_text(sentence: Sentence, *, fills: bool = False) -> str:
    """Return what is scored of a sentence, several parts with a space between them."""
    spans = scored_spans(sentence, fills=fills)
    return " ".join(sentence.text[slice(*span)] for span in spans) if spans else sentence.text


def scores_of(values: Sequence[Value], how: str) -> list[float]:
    """Return what sentences are compared by; see :func:`~probekit.behaviour.confounds.normalised`."""
    columns = ([getattr(value, name) for value in values] for name in ("tokens", "words", "unigram"))
    lengths = Lengths(*(np.array(column, np.float64) for column in columns))
    return normalised([value.total for value in values], lengths, how).tolist()


def judge(item: Item, values: Sequence[Value], how: str) -> Verdict:
    """Compare the scores of an item's sentences."""
    if len(values) == 1:
        (value,) = values
        lost = math.isnan(value.total) or value.best is None
        return Verdict(math.nan if lost else float(value.best or 0), 0 if value.best else None, math.nan)
    scores = np.array(scores_of(values, how), np.float64)
    if np.isnan(scores).any():
        return Verdict(math.nan, None, math.nan)
    leading = np.flatnonzero(scores == scores.max())
    chosen = int(leading[0]) if len(leading) == 1 else None
    return Verdict(credit_of(scores, item.right), chosen, margin_of(scores, item.right))
