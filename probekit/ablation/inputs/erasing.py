"""What a decision rests on among the words of a text: erasure of words, of phrases, and of sets of them.

Enters: words, and a function that says how firmly a decision stands on some of them. Leaves: by how much each word or
phrase supports it, and small sets without which it falls. Surprise: a set of words can matter where none of its words
does, when one stands in for another; only the sets show that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from probekit.errors import NumericError, UsageError

Words = Sequence[str]
Margins = Callable[[list[list[str]]], NDArray[np.float64]]
"""Of each list of words how firmly the decision stands on it: a difference of log-probabilities, below 0 another is
taken."""

EXACT = 14
"""Units of which all sets are tried, where an exact answer is asked for."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What a decision loses with each unit of a text.

    Attributes
    ----------
    units : tuple of tuple of int
        The words of each unit, by their places.
    margin : float
        Of the whole text.
    without : float64 array [units]
        The margin where a unit is erased.
    """

    units: tuple[tuple[int, ...], ...]
    margin: float
    without: NDArray[np.float64]

    @property
    def support(self) -> NDArray[np.float64]:
        """How much the margin falls with each unit; below 0: the unit speaks against the decision."""
        return self.margin - self.without

    @property
    def relative(self) -> NDArray[np.float64]:
        """The same as a share of the margin [1]_; NaN where the margin is 0.

        References
        ----------
        .. [1] Li, Monroe & Jurafsky 2016, Understanding neural networks through representation erasure.
           https://arxiv.org/abs/1612.08220
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.margin == 0, np.nan, self.support / self.margin)


def erase(words: Words, margins: Margins, units: Sequence[Sequence[int]] = (), *, mask: str | None = None) -> Erased:
    """Erase the units of a text one by one.

    Parameters
    ----------
    words : sequence of str
    margins : callable
        Called once, with the whole text and with each unit erased.
    units : sequence of sequences of int
        By default every word alone; phrases as the places of their words.
    mask : str, optional
        What stands in the place of an erased word; by default nothing does, and the text is shorter.

    Raises
    ------
    UsageError
        A unit without a word, or with one that the text does not have.
    NumericError
        A margin that is not a number.
    """
    taken = checked_units(words, units)
    texts = [list(words), *(without(words, unit, mask) for unit in taken)]
    found = _finite(margins, texts)
    return Erased(taken, float(found[0]), found[1:])


@dataclass(frozen=True, slots=True)
class Flip:
    """A set of units without which a decision is another one.

    Attributes
    ----------
    units : tuple of int
        Which ones, ascending.
    margin : float
        Without them; below 0.
    smallest : bool
        Whether no smaller set does it: all were tried.
    """

    units: tuple[int, ...]
    margin: float
    smallest: bool


def flip(
    words: Words,
    margins: Margins,
    units: Sequence[Sequence[int]] = (),
    *,
    mask: str | None = None,
    exact: bool = False,
) -> Flip | None:
    """Find a small set of units whose erasure turns a decision; None: not even all but one do.

    Greedy: the unit goes whose loss lowers the margin most, until the decision turns; then what need not have gone
    comes back. Exact: sets of one unit, of two and so on are all tried, up to the size that greedy search found.

    Parameters
    ----------
    words, margins, units, mask
        As :func:`erase` takes them.
    exact : bool
        Texts of at most :data:`EXACT` units.

    Raises
    ------
    UsageError
        Too many units for an exact answer.
    NumericError
        A margin that is not a number.
    """
    taken = checked_units(words, units)
    if exact and len(taken) > EXACT:
        raise UsageError(
            f"An exact answer tries all sets of at most {EXACT} units, and this text has {len(taken)}. Leave out "
            "`exact`, or give phrases."
        )

    def of(sets: Sequence[tuple[int, ...]]) -> NDArray[np.float64]:
        places = ([place for unit in one for place in taken[unit]] for one in sets)
        return _finite(margins, [without(words, place, mask) for place in places])

    found = _greedy(len(taken), of)
    if found is None or not exact:
        return found
    for size in range(1, len(found.units)):
        sets = list(combinations(range(len(taken)), size))
        tried = of(sets)
        if tried.min() < 0:
            best = int(tried.argmin())
            return Flip(sets[best], float(tried[best]), True)
    return Flip(found.units, found.margin, True)


def _greedy(n: int, of: Callable[[Sequence[tuple[int, ...]]], NDArray[np.float64]]) -> Flip | None:
    gone: tuple[int, ...] = ()
    margin = float("inf")
    while margin >= 0:
        left = [unit for unit in range(n) if unit not in gone]
        if len(left) < 2:
            return None
        sets = [tuple(sorted((*gone, unit))) for unit in left]
        tried = of(sets)
        gone, margin = sets[int(tried.argmin())], float(tried.min())
    while len(gone) > 1:
        sets = [tuple(unit for unit in gone if unit != back) for back in gone]
        tried = of(sets)
        if tried.min() >= 0:
            break
        gone, margin = sets[int(tried.argmin())], float(tried.min())
    return Flip(gone, margin, len(gone) == 1)


def checked_units(words: Words, units: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """Return units as tuples of places; every word alone where there are none.

    Raises
    ------
    UsageError
        A unit without a word, or with one that the text does not have.
    """
    taken = tuple(tuple(unit) for unit in units) or tuple((place,) for place in range(len(words)))
    for unit in taken:
        if not unit or not all(0 <= place < len(words) for place in unit):
            raise UsageError(f"A unit names places of words, from 0 to {len(words) - 1}. Got {list(unit)}.")
    return taken


def without(words: Words, places: Sequence[int], mask: str | None = None) -> list[str]:
    """Return the words with some of them erased, or masked."""
    gone = set(places)
    kept = (word if place not in gone else mask for place, word in enumerate(words))
    return [word for word in kept if word is not None]


def phrases(heads: Sequence[int | None]) -> list[tuple[int, ...]]:
    """Return the phrase of every word: itself and all that hangs from it, in the order of the words, each set once.

    Parameters
    ----------
    heads : sequence of int or None
        Place of each word's head; None: it has none. The whole text is left out.
    """
    below: dict[int, set[int]] = {word: {word} for word in range(len(heads))}
    for word in range(len(heads)):
        seen, up = {word}, heads[word]
        while up is not None and up not in seen:
            below[up].add(word)
            seen.add(up)
            up = heads[up]
    found = dict.fromkeys(tuple(sorted(below[word])) for word in range(len(heads)))
    return [phrase for phrase in found if len(phrase) < len(heads)]


def _finite(margins: Margins, texts: list[list[str]]) -> NDArray[np.float64]:
    found = np.asarray(margins(texts), np.float64)
    if found.shape != (len(texts),):
        raise UsageError(f"The `margins` must give a number a text. Got shape {found.shape} for {len(texts)} texts.")
    if np.isnan(found).any():
        place = int(np.flatnonzero(np.isnan(found))[0])
        raise NumericError(f"The margin of '{' '.join(texts[place])}' is not a number.")
    return found
