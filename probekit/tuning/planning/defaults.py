"""What is taken where nothing more is known: a head by the kind of target, peak rates by the width of the model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

BASE, BASE_WIDTH, FALL = 5e-5, 768, 2
"""The usual peak rate at the usual width, and the power by which it falls with the width: twice as wide, a quarter."""
LOWEST, HIGHEST = 1e-5, 4e-4
HEAD_PEAK = 1e-3
"""Peak rate of what starts new."""
ALONE_PEAK = 1e-2
"""The same where nothing else trains: vectors have one size, and none can be moved away from what was pretrained."""

BATCH_TOKENS, ALONE_BATCH_TOKENS = 256, 1024
"""Where blocks train, steps count more than their size: some dozen sentences each."""
EPOCHS, ALONE_EPOCHS, MOST_EPOCHS = 5, 30, 40
ENOUGH = 1_500
"""Examples that blocks are trained on at the least, each as often as it takes."""
PATIENCE = 3


def head_peak_for(train: Sequence[int]) -> float:
    """Return the peak rate of the head beside the depths that train."""
    return HEAD_PEAK if train else ALONE_PEAK


_MARKS = frozenset("BIESLU")


def peak_for(width: int) -> float:
    """Return the peak rate of the blocks of a model of some width: 5e-5 at 768, 2e-4 at half of it."""
    return float(f"{min(HIGHEST, max(LOWEST, BASE * (BASE_WIDTH / width) ** FALL)):.1g}")


def batch_tokens_for(train: Sequence[int]) -> int:
    """Return the tokens of a batch beside the depths that train."""
    return BATCH_TOKENS if train else ALONE_BATCH_TOKENS


def epochs_for(train: Sequence[int], n_train: int | None = None) -> int:
    """Return the epochs beside the depths that train: many of the head alone, whose steps cost next to nothing.

    Where blocks train, so many that there are enough steps, for few examples need as many as more do [1]_.

    Parameters
    ----------
    train : sequence of int
    n_train : int, optional
        Training examples, taken for some twenty tokens each.

    References
    ----------
    .. [1] Mosbach, Andriushchenko & Klakow 2021, On the stability of fine-tuning BERT.
    """
    if not train:
        return ALONE_EPOCHS
    return EPOCHS if n_train is None else min(MOST_EPOCHS, max(EPOCHS, math.ceil(ENOUGH / n_train)))


def patience_for(epochs: int) -> int:
    """Return the epochs to wait for a better dev score: a third of all, so that a rate near its peak ends nothing."""
    return max(PATIENCE, epochs // 3)


@dataclass(frozen=True, slots=True)
class FittingHead:
    """A head for a kind of target.

    Attributes
    ----------
    name : str
    pool : str or None
        How it needs tokens to become vectors; None: any way does.
    text : str
        Why it is taken.
    """

    name: str
    pool: str | None
    text: str


def head_for(kind: str, labels: Sequence[str] = (), targets: str = "labels") -> FittingHead:
    """Return the head that fits targets.

    Parameters
    ----------
    kind : {"word", "span", "pair", "sentence"}
    labels : sequence of str
        Of the training targets; empty where they are not known, or are numbers.
    targets : {"labels", "numbers", "text"}
    """
    if targets == "text":
        return FittingHead("lm", None, "targets are the tokens of the text itself: the head that the model has, kept")
    if kind == "word" and bio_like(labels):
        return FittingHead("crf", None, "words with labels like B-x and I-x, of which not every sequence is one: a CRF")
    if kind == "span":
        return FittingHead("span", "endpoints", "targets are spans: both ends of each, and attention between them")
    if kind == "pair":
        return FittingHead("pair", None, "targets are pairs: both vectors, their difference and product")
    return FittingHead("linear", None, f"targets are {kind}s: one linear map of their vectors")


def bio_like(labels: Sequence[str]) -> bool:
    """Tell whether labels mark beginnings and insides: some ``I-x`` beside ``B-x``, and nothing else but ``O``."""
    marks = [label.partition("-")[::2] for label in labels if label != "O"]
    inside = {kind for mark, kind in marks if mark in ("I", "E", "L")}
    begins = {kind for mark, kind in marks if mark in ("B", "S", "U")}
    return bool(inside & begins) and all(mark in _MARKS and kind for mark, kind in marks)
