"""How points are told apart: by name, or along a scale.

Enters: a value a point. Leaves: :class:`Colours`, groups with their counts. Surprise: numbers are cut into quarters
besides, so that they are told apart by shape where colour is not seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.features.labels import named

NAMED = 10
"""Labels that have a colour and a shape of their own."""
OTHER, NOTHING = "other", "(none)"
"""What stands for labels without a colour of their own, and for no value; in brackets where a label is called that."""
QUARTERS = 4


@dataclass(frozen=True, slots=True)
class Colours:
    """What each point is drawn as.

    Attributes
    ----------
    groups : tuple of (str, int)
        Names and counts, the most frequent first, or quarters from the least number to the greatest.
    group : list of int
        Of every point.
    shades : tuple of float or None
        Of every point, its rank from 0 to 1, so that a few large numbers leave the others their shades; empty where
        values are names.
    note : str
        What was put together; empty if nothing.
    rest : int or None
        The group of what has no label of its own: others put together, or no value; None: there is none.
    """

    groups: tuple[tuple[str, int], ...]
    group: list[int]
    shades: tuple[float | None, ...] = ()
    note: str = ""
    rest: int | None = None


def colours_of(values: Sequence[Any]) -> Colours:
    """Group values: more than two different numbers along a scale, anything else by name."""
    given = [value for value in values if value is not None]
    if given and all(isinstance(value, int | float) and not isinstance(value, bool) for value in given):
        numbers = np.array(given, np.float64)
        if np.isfinite(numbers).all() and len(np.unique(numbers)) > 2:
            return _scale(values, numbers)
    called = {str(value) for value in given}
    nothing = _free(NOTHING, called)
    texts = [nothing if value is None else str(value) for value in values]
    counts = Counter(texts)
    ranked = sorted(counts, key=lambda name: (name == nothing, -counts[name], name))
    shown = ranked if len(ranked) <= NAMED else ranked[:NAMED]
    rest = Counter({name: counts[name] for name in ranked[len(shown) :]})
    groups = [(name, counts[name]) for name in shown]
    place = {name: number for number, name in enumerate(shown)}
    if not rest:
        return Colours(tuple(groups), [place[text] for text in texts], rest=place.get(nothing))
    other = _free(OTHER, called)
    note = f"{len(rest)} of {len(ranked)} labels are drawn as '{other}', {rest.total():,} points: {named(rest)}."
    groups.append((other, rest.total()))
    return Colours(tuple(groups), [place.get(text, len(shown)) for text in texts], note=note, rest=len(shown))


def _free(name: str, called: Container[str]) -> str:
    """Return a name that no label has."""
    while name in called:
        name = f"({name})"
    return name


def _scale(values: Sequence[Any], numbers: NDArray[np.float64]) -> Colours:
    edges = np.unique(np.quantile(numbers, np.arange(1, QUARTERS) / QUARTERS))
    codes = np.searchsorted(edges, numbers, "left")
    used = np.unique(codes)
    groups = []
    for code in used:
        inside = numbers[codes == code]
        low, high = f"{inside.min():.4g}", f"{inside.max():.4g}"
        groups.append((low if low == high else f"{low} to {high}", len(inside)))
    place = {int(code): number for number, code in enumerate(used)}
    coded = iter([place[int(code)] for code in codes])
    ranks = iter(_ranks(numbers).tolist())
    lacking = sum(value is None for value in values)
    if lacking:
        groups.append((NOTHING, lacking))
    return Colours(
        tuple(groups),
        [len(used) if value is None else next(coded) for value in values],
        tuple(None if value is None else next(ranks) for value in values),
        rest=len(used) if lacking else None,
    )


def _ranks(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each number from 0 to 1; equal numbers share one."""
    _, place, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    middles = np.cumsum(counts) - (counts + 1) / 2
    return np.asarray((middles / max(1, len(numbers) - 1))[place])
