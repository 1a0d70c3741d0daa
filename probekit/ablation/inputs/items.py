"""Which words a model's preferences rest on, item by item: :func:`erase_inputs`.

Enters: a suite of minimal pairs, a model with its head. Leaves: of every item that the model gets right what each
shared word supports, and a small set of them without which it would choose the other sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from probekit.ablation.inputs.erasing import EXACT, Erased, Flip, erase, flip
from probekit.ablation.inputs.pairs import ErasablePair, erasable, fits, margins_of
from probekit.behaviour.items import Item
from probekit.behaviour.scoring.making import Session
from probekit.errors import InputError

Progress = Callable[[float, str], object]


@dataclass(frozen=True, slots=True)
class Erasures:
    """What a decision loses without units of a text, which are words or phrases.

    Attributes
    ----------
    erased : Erased
        The margin, whole and without each unit.
    flip : Flip or None
        A set of units without which the decision is another one; None: there is none.
    control : float or None
        The margin without as many units drawn at random, where there is such a set.
    """

    erased: Erased
    flip: Flip | None
    control: float | None = None

    def to_json(self, units: Sequence[str]) -> dict[str, Any]:
        """Return plain data; ``units`` are their words."""
        return {
            "margin": self.erased.margin,
            "support": [float(value) for value in self.erased.support],
            "relative": [float(value) for value in self.erased.relative],
            "turned_without": None if self.flip is None else [units[unit] for unit in self.flip.units],
            "smallest": None if self.flip is None else self.flip.smallest,
            "margin_without_random_words": self.control,
        }


class ErasedDecision(Protocol):
    """One decision of a model, with what was made of it."""

    @property
    def found(self) -> Erasures:
        """What it loses."""

    @property
    def cluster(self) -> str:
        """What intervals resample."""

    @property
    def distances(self) -> Sequence[int]:
        """Of each unit, words to what is decided about; below 0: it stands before."""

    def to_json(self) -> dict[str, Any]:
        """Return plain data: one line of a table."""


@dataclass(frozen=True, slots=True)
class ErasedItem:
    """A preference.

    Attributes
    ----------
    item : Item
    pair : ErasablePair
    found : Erasures
        Of the words that both sentences share.
    """

    item: Item
    pair: ErasablePair
    found: Erasures

    @property
    def cluster(self) -> str:
        """The template."""
        return self.item.template

    @property
    def distances(self) -> Sequence[int]:
        """Of each shared word, to the first word that is decided about."""
        return self.pair.distances

    def to_json(self) -> dict[str, Any]:
        """Return plain data: one line of a table."""
        return {
            "id": self.item.id,
            "phenomenon": self.item.phenomenon,
            "text": " ".join(self.pair.sides[0]),
            "instead_of": " ".join(self.pair.sides[1]),
            "words": self.pair.words,
            "distances": self.pair.distances,
            **self.found.to_json(self.pair.words),
        }


def erasures_of(
    n: int,
    margins_without: Callable[[list[list[int]]], Any],
    *,
    exact: bool,
    rng: np.random.Generator,
) -> Erasures | None:
    """Erase n units one by one and in sets; None: there is no decision to begin with, the margin is not above 0.

    Parameters
    ----------
    n : int
    margins_without : callable
        Gives the margin without each of some lists of units.
    exact : bool
        Prove of at most :data:`~probekit.ablation.inputs.erasing.EXACT` units that no set is smaller.
    rng : Generator
        Of the control.
    """
    places = [str(place) for place in range(n)]

    def margins(texts: list[list[str]]) -> Any:
        # The words are the numbers of units, so that what is left says what is gone.
        return margins_without([[place for place in range(n) if str(place) not in text] for text in texts])

    erased = erase(places, margins)
    if erased.margin <= 0:
        return None
    small = flip(places, margins, exact=exact and n <= EXACT)
    control = None
    if small is not None:
        drawn = rng.choice(n, size=len(small.units), replace=False)
        control = float(margins_without([drawn.tolist()])[0])
    return Erasures(erased, small, control)


def erase_inputs(
    items: Sequence[Item],
    session: Session,
    *,
    mask: str | None = None,
    exact: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[list[ErasedItem], Counter[str]]:
    """Erase the shared words of minimal pairs one by one, and find small sets that turn each decision.

    Parameters
    ----------
    items : sequence of Item
    session : Session
        The model that decides.
    mask : str, optional
        What stands in the place of an erased word; by default nothing does.
    exact : bool
        Prove of items of at most :data:`~probekit.ablation.inputs.erasing.EXACT` shared words that no set is smaller.
    seed : int
        Of the words that are erased as a control: as many as in each set, drawn at random.
    progress : callable, optional
        Called with the share done and a note.

    Returns
    -------
    items : list of ErasedItem
        Those that the model gets right.
    left_out : Counter
        How many others, by reason.

    Raises
    ------
    InputError
        None is left.

    References
    ----------
    Li, Monroe & Jurafsky 2016, Understanding neural networks through representation erasure.
    https://arxiv.org/abs/1612.08220
    """
    found: list[ErasedItem] = []
    left_out: Counter[str] = Counter()
    for place, item in enumerate(items):
        pair = erasable(item)
        if isinstance(pair, str):
            left_out[pair] += 1
            continue
        if not fits(pair, session):
            left_out["the model cannot read one of their sentences whole"] += 1
            continue
        one = erasures_of(
            len(pair.shared), partial(margins_of, pair, session=session, mask=mask),
            exact=exact, rng=np.random.default_rng([seed, place]),
        )  # fmt: skip
        if one is None:
            left_out["the model prefers the other sentence, or neither"] += 1
        else:
            found.append(ErasedItem(item, pair, one))
        if progress is not None:
            progress((place + 1) / len(items), f"item {place + 1:,} of {len(items):,}")
    if not found:
        why = "; ".join(f"{reason} ({n:,})" for reason, n in left_out.most_common())
        raise InputError(f"No item is left whose words could be erased: {why}. Name another suite or model.")
    return found, left_out
