"""Which words a model's preferences rest on, item by item: :func:`erase_inputs`.

Enters: a suite of minimal pairs, a model with its head. Leaves: of every item that the model gets right what each
shared word supports, and a small set of them without which it would choose the other sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from probekit.ablation.inputs.erasing import EXACT, Erased, Flip, erase, flip
from probekit.ablation.inputs.pairs import ErasablePair, erasable, fits, margins_of
from probekit.behaviour.items import Item
from probekit.behaviour.scoring.making import Session
from probekit.errors import InputError

Progress = Callable[[float, str], object]


@dataclass(frozen=True, slots=True)
class ErasedItem:
    """One decision.

    Attributes
    ----------
    item : Item
    pair : ErasablePair
    erased : Erased
        The margin, whole and without each shared word.
    flip : Flip or None
        A set of shared words without which the other sentence is preferred; None: there is none.
    control : float or None
        The margin without as many words drawn at random, where there is such a set.
    """

    item: Item
    pair: ErasablePair
    erased: Erased
    flip: Flip | None
    control: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain data: one line of a table."""
        words = self.pair.words
        return {
            "id": self.item.id,
            "phenomenon": self.item.phenomenon,
            "text": " ".join(self.pair.sides[0]),
            "instead_of": " ".join(self.pair.sides[1]),
            "margin": self.erased.margin,
            "words": words,
            "distances": self.pair.distances,
            "support": [float(value) for value in self.erased.support],
            "relative": [float(value) for value in self.erased.relative],
            "turned_without": None if self.flip is None else [words[unit] for unit in self.flip.units],
            "smallest": None if self.flip is None else self.flip.smallest,
            "margin_without_random_words": self.control,
        }


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
        one = _erased(item, pair, session, mask=mask, exact=exact, rng=np.random.default_rng([seed, place]))
        if one is None:
            left_out["the model prefers the other sentence, or neither"] += 1
        else:
            found.append(one)
        if progress is not None:
            progress((place + 1) / len(items), f"item {place + 1:,} of {len(items):,}")
    if not found:
        why = "; ".join(f"{reason} ({n:,})" for reason, n in left_out.most_common())
        raise InputError(f"No item is left whose words could be erased: {why}. Name another suite or model.")
    return found, left_out


def _erased(
    item: Item, pair: ErasablePair, session: Session, *, mask: str | None, exact: bool, rng: np.random.Generator
) -> ErasedItem | None:
    places = [str(place) for place in range(len(pair.shared))]

    def margins(texts: list[list[str]]) -> Any:
        # The words are the numbers of shared words, so that what is left says what is gone.
        gone = [[place for place in range(len(places)) if str(place) not in text] for text in texts]
        return margins_of(pair, gone, session, mask=mask)

    erased = erase(places, margins)
    if erased.margin <= 0:
        return None
    small = flip(places, margins, exact=exact and len(places) <= EXACT)
    control = None
    if small is not None:
        drawn = rng.choice(len(places), size=len(small.units), replace=False)
        control = float(margins_of(pair, [drawn.tolist()], session, mask=mask)[0])
    return ErasedItem(item, pair, erased, small, control)
