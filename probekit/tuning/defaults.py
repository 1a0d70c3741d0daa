"""What is taken where nothing more is known: a head by the kind of target, peak rates by the width of the model."""

from __future__ import annotations

from collections.abc import Sequence

BASE, BASE_WIDTH = 5e-5, 768
LOWEST, HIGHEST = 1e-5, 2e-4
HEAD_PEAK = 1e-3
"""Peak rate of what starts new."""

_MARKS = frozenset("BIESLU")


def peak_for(width: int) -> float:
    """Return the peak rate of the blocks of a model of some width: 5e-5 at 768, twice that at half of it."""
    return float(f"{min(HIGHEST, max(LOWEST, BASE * BASE_WIDTH / width)):.2g}")


def head_for(kind: str, labels: Sequence[str] = ()) -> tuple[str, str]:
    """Return the name of a head, and why it is taken.

    Parameters
    ----------
    kind : {"word", "span", "pair", "sentence"}
    labels : sequence of str
        Of the training targets; empty where they are not known, or are numbers.
    """
    if kind == "word" and bio_like(labels):
        return "crf", "targets are words with labels like B-x and I-x, of which not every sequence is one: a CRF"
    if kind in ("pair", "span"):
        return kind, f"targets are {kind}s: the head of {kind}s"
    return "linear", f"targets are {kind}s: one linear map of their vectors"


def bio_like(labels: Sequence[str]) -> bool:
    """Tell whether labels mark beginnings and insides: some ``I-x`` beside ``B-x``, and nothing else but ``O``."""
    marks = [label.partition("-")[::2] for label in labels if label != "O"]
    inside = {kind for mark, kind in marks if mark in ("I", "E", "L")}
    begins = {kind for mark, kind in marks if mark in ("B", "S", "U")}
    return bool(inside & begins) and all(mark in _MARKS and kind for mark, kind in marks)
