"""Which words a model's preferences rest on, over a suite: :func:`ablate_inputs`.

Enters: a suite of minimal pairs, a model with its head. Leaves: of every item that the model gets right what each
shared word supports, and a small set of them without which it would choose the other sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from probekit.ablation.inputs.erasing import EXACT, Erased, Flip, erase, flip
from probekit.ablation.inputs.pairs import ErasablePair, erasable, margins_of
from probekit.behaviour.clusters import units_of_templates
from probekit.behaviour.items import Item
from probekit.behaviour.scoring.making import Session
from probekit.errors import InputError
from probekit.statistics.bootstrap import OPEN, SHARE, Bootstrap, interval

Progress = Callable[[float, str], object]
Number = tuple[float, tuple[float, float] | None]


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
    """

    item: Item
    pair: ErasablePair
    erased: Erased
    flip: Flip | None

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
        }


def ablate_inputs(
    items: Sequence[Item],
    session: Session,
    *,
    mask: str | None = None,
    exact: bool = False,
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
        one = _erased(item, pair, session, mask=mask, exact=exact)
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


def _erased(item: Item, pair: ErasablePair, session: Session, *, mask: str | None, exact: bool) -> ErasedItem | None:
    places = [str(place) for place in range(len(pair.shared))]

    def margins(texts: list[list[str]]) -> Any:
        # The words are the numbers of shared words, so that what is left says what is gone.
        gone = [[place for place in range(len(places)) if str(place) not in text] for text in texts]
        return margins_of(pair, gone, session, mask=mask)

    erased = erase(places, margins)
    if erased.margin <= 0:
        return None
    small = partial(flip, places, margins, exact=exact and len(places) <= EXACT)
    return ErasedItem(item, pair, erased, small())


def by_distance(found: Sequence[ErasedItem], *, least: int = 10, seed: int = 0) -> dict[int, tuple[float, Any, int]]:
    """Return what a word supports by its distance from what is decided: mean in nats, interval, number of words."""
    rows = [
        (distance, float(value), one.item.template)
        for one in found
        for distance, value in zip(one.pair.distances, one.erased.support, strict=True)
    ]
    table: dict[int, tuple[float, Any, int]] = {}
    for distance in sorted({distance for distance, _, _ in rows}):
        mine = [(value, template) for at, value, template in rows if at == distance]
        if len(mine) >= least:
            mean, ends = _mean([value for value, _ in mine], [template for _, template in mine], OPEN, seed)
            table[distance] = mean, ends, len(mine)
    return table


def summary(found: Sequence[ErasedItem], *, seed: int = 0) -> Mapping[str, Number]:
    """Return shares over items with intervals: turned by one word, by any set; and the mean size of the sets."""
    templates = [one.item.template for one in found]
    single = [float((one.erased.without < 0).any()) for one in found]
    turned = [one for one in found if one.flip is not None]
    sizes = [float(len(one.flip.units)) for one in turned if one.flip is not None]
    numbers = {
        "turned_by_one_word": _mean(single, templates, SHARE, seed),
        "turned_by_a_set": _mean([float(one.flip is not None) for one in found], templates, SHARE, seed),
    }
    if turned:
        numbers["words_of_the_set"] = _mean(sizes, [one.item.template for one in turned], OPEN, seed)
    return numbers


def _mean(values: Sequence[float], templates: Sequence[str], bounds: tuple[float, float], seed: int) -> Number:
    column = np.array(values)[:, None]
    drawn = Bootstrap.draw(units_of_templates(templates), seed=seed)
    counts = drawn.sums(np.hstack([column, np.ones_like(column)]))
    resampled = drawn.scores(lambda added: added[..., :-1] / added[..., -1:], counts)
    mean = float(column.mean())
    return mean, interval(mean, resampled[:, 0], bounds=bounds)
