"""How numbers and names are written for readers, the same in tables and figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from probekit.report.conclusions import Point
from probekit.report.measurement import Measurement

_METHODS = {
    "word_type": "word type",
    "word_type_seen": "seen forms",
    "word_type_unseen": "unseen forms",
    "mlp": "MLP",
    "r2": "R2",
    "uuas": "UUAS",
    "dspr": "DSpr",
    "nspr": "NSpr",
}
_KINDS = {"word": "words", "span": "spans", "pair": "pairs", "sentence": "sentences", "tree": "sentences"}


def readable(name: str) -> str:
    """Write the name of a method or metric for people: ``word_type`` -> ``word type``."""
    return _METHODS.get(name, name.replace("_f1", "_F1").replace("_", " "))


def number(value: float | None) -> str:
    """Write a score with three decimals; ``-`` where there is none."""
    return "-" if value is None else f"{value:.3f}"


def interval(point: Point | None) -> str:
    """Write an interval as ``[0.931, 0.942]``; empty where there is none."""
    if point is None or point.low is None or point.high is None:
        return ""
    return f"[{point.low:.3f}, {point.high:.3f}]"


def depth(point: Point) -> str:
    """Write a depth in layers with its interval: ``2.31 [2.10, 2.52]``."""
    if point.low is None or point.high is None:
        return f"{point.value:.2f}"
    return f"{point.value:.2f} [{point.low:.2f}, {point.high:.2f}]"


def counted(settings: Mapping[str, Any], row: Measurement) -> str:
    """Write what the score of a row was counted over: ``25,094 words in 316 documents``."""
    if row.n is None:
        return ""
    things = _KINDS.get(str(settings.get("kind")), "targets")
    text = f"{row.n:,} {things}"
    if row.n_groups is not None:
        unit = row.unit or settings.get("unit")
        groups = f"{unit}s" if isinstance(unit, str) and unit else "groups"
        text += f" in {row.n_groups:,} {groups}"
    return text


def percent(level: float | None) -> str:
    """Write the coverage of an interval: ``95 % interval``; empty where there is none."""
    return "" if level is None else f"{100 * level:g} % interval"


def shortened(name: str, length: int = 28) -> str:
    """Leave out the middle of a long name: both ends tell models apart (owner, size)."""
    if len(name) <= length:
        return name
    keep = (length - 1) // 2
    return f"{name[:keep]}…{name[-keep:]}"
