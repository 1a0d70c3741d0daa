r"""Which slices hold more errors than chance would put there [1]_.

Enters: targets, which of them a model got wrong, of one half to search in and of the other to confirm by. Leaves: a few
slices in the words of the catalogue, alone or two at once, with what both halves say of each.

Of a slice with indicator :math:`m` and errors :math:`e` each unit (document or sentence) gives the score
:math:`U_u = \sum_{i \in u} (m_i - \bar m)(e_i - \bar e)`, and :math:`z = \sum_u U_u / \sqrt{\sum_u U_u^2}`. By chance
the signs of the units are lots; the largest z over *all* slices under 2,000 draws of signs gives a p value that pays
for the search [2]_ [3]_. Slices that pass are tested once more on the other half, by Holm over those few. Surprise:
a slice is of the text and of columns; labels are read only to leave out a column that gives them away.

References
----------
.. [1] Chung et al. 2019, Slice Finder: automated data slicing for model validation.
.. [2] Westfall & Young 1993, Resampling-based multiple testing.
.. [3] Cameron, Gelbach & Miller 2008, Bootstrap-based improvements for inference with clustered errors.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.statistics.significance import holm
from probekit.statistics.units import Units
from probekit.tuning.data.data import TuningData
from probekit.tuning.data.sliced import conditions_hold
from probekit.tuning.slice_choices import Condition, SliceChoice
from probekit.tuning.slices import SLICES

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
DRAWS, LEVEL = 2000, 0.05
PAIRED = 40
"""So many slices, those with the most targets, are tried with every other one at once."""
ALIKE = 0.5
"""A slice that shares more of its targets with one that was taken is not taken."""
TELLS = 0.95
"""A column by which so large a share of the labels can be told is no slice: it says what is to be predicted."""


@dataclass(frozen=True, slots=True)
class Half:
    """What one half of the targets says of a slice.

    Attributes
    ----------
    n : int
        Targets inside.
    wrong, rest : float
        Share of errors inside and outside.
    p : float
        Against chance: over all slices that were tried, or by Holm over those that are confirmed.
    """

    n: int
    wrong: float
    rest: float
    p: float

    def __str__(self) -> str:
        return f"{self.wrong:.0%} of {self.n:,} wrong against {self.rest:.0%} elsewhere (p {self.p:.3g})"


@dataclass(frozen=True, slots=True)
class FoundSlice:
    """A slice that holds more errors.

    Attributes
    ----------
    choice : SliceChoice
    searched, confirmed : Half
        On the half that it was found on, and on the other.
    holds : bool
        The other half confirms it.
    """

    choice: SliceChoice
    searched: Half
    confirmed: Half
    holds: bool

    def __str__(self) -> str:
        kept = "kept" if self.holds else "not confirmed"
        return f"'{self.choice.spelled}': {self.searched}; on the other half {self.confirmed}: {kept}."


@dataclass(frozen=True, slots=True)
class Search:
    """What a search came to.

    Attributes
    ----------
    found : tuple of FoundSlice
        Those that passed on the half that was searched, by their z.
    tried : int
        Slices that were tried.
    least : int
        Targets that a slice had to have in a half.
    n, wrong : int
        Targets, and those that were wrong.
    notes : tuple of str
        Columns that were left out, and what is not known of the run whose errors these are.
    """

    found: tuple[FoundSlice, ...]
    tried: int
    least: int
    n: int
    wrong: int
    notes: tuple[str, ...] = ()

    @property
    def kept(self) -> tuple[SliceChoice, ...]:
        """The slices that both halves say."""
        return tuple(one.choice for one in self.found if one.holds)

    def lines(self) -> list[str]:
        """Say what was searched and found."""
        head = (
            f"{self.wrong:,} of {self.n:,} targets are wrong; {self.tried:,} slices of {self.least} targets or more "
            "were tried on one half."
        )
        nothing = "None holds more errors than chance would put there." if not self.found else ""
        return [" ".join(filter(None, (head, nothing))), *map(str, self.found), *self.notes]


def search_slices(
    data: TuningData, rows: IntArray, wrong: BoolArray, units: Units, *, most: int = 3, least: int = 15, seed: int = 0
) -> Search:
    """Search one half of some targets for slices of errors, and confirm them on the other.

    Parameters
    ----------
    data : TuningData
        Of which nothing but the targets' examples, words and columns is read.
    rows : int64 array [n]
        Of its table.
    wrong : bool array [n]
    units : Units
        Of the rows; a unit lies in one half.
    most : int
        Slices at most.
    least : int
        Targets of a slice in a half.
    seed : int
        Of the halves and of the draws.
    """
    draw = np.random.default_rng(seed)
    first = draw.permutation(units.n) < units.n / 2
    here = first[units.of]
    choices, masks, notes = tried(data, rows, here, least)
    if not choices:
        return Search((), 0, least, len(rows), int(wrong.sum()), tuple(notes))
    z, p = excess(masks[:, here], wrong[here], units.of[here], draw)
    taken: list[int] = []
    for place in np.lexsort((masks.sum(axis=1), -z)).tolist():
        if p[place] > LEVEL or len(taken) == most:
            break
        if all(_overlap(masks[place], masks[other]) <= ALIKE for other in taken):
            taken.append(place)
    alone = [excess(masks[[place]][:, ~here], wrong[~here], units.of[~here], draw)[1][0] for place in taken]
    found = []
    for place, again in zip(taken, holm([float(value) for value in alone]), strict=True):
        searched, confirmed = (
            _half(masks[place][part], wrong[part], value) for part, value in ((here, p[place]), (~here, again))
        )
        holds = again <= LEVEL and confirmed.wrong > confirmed.rest
        found.append(FoundSlice(choices[place], searched, confirmed, holds))
    return Search(tuple(found), len(choices), least, len(rows), int(wrong.sum()), tuple(notes))


def tried(
    data: TuningData, rows: IntArray, here: BoolArray, least: int
) -> tuple[list[SliceChoice], BoolArray, list[str]]:
    """Return the slices that are tried, which rows are in each [s, n], and which columns are left out.

    Every slice has ``least`` targets inside and outside in either half. Two at once are tried where they hold other
    targets than each alone.
    """
    ordinals = np.unique(data.table.example[rows])
    examples = [data.originals[ordinal] for ordinal in ordinals.tolist()]
    telling, notes = telling_columns(data)
    singles = []
    for name, member in SLICES.members().items():
        for options in member.candidates(examples, least) if member.candidates is not None else ():
            if not {*member.annotations(options)} & {*data.task.needs, *telling}:
                singles.append(SliceChoice((Condition(name, options),)))
    masks = conditions_hold(data, singles, rows)
    kept = _wide_enough(masks, here, least)
    singles, masks = [singles[place] for place in kept], masks[kept]
    choices, seen = list(singles), {mask.tobytes() for mask in masks}
    both = []
    order = np.argsort(-masks.sum(axis=1), kind="stable").tolist()
    for number, one in enumerate(order[:PAIRED]):
        for other in order[number + 1 :]:
            if singles[one].all[0].name == singles[other].all[0].name != "contains":
                continue
            mask = masks[one] & masks[other]
            if mask.tobytes() not in seen and len(_wide_enough(mask[None], here, least)):
                seen.add(mask.tobytes())
                choices.append(SliceChoice((*singles[one].all, *singles[other].all)))
                both.append(mask)
    return choices, np.concatenate([masks, np.array(both, np.bool_).reshape(-1, len(rows))]), notes


def telling_columns(data: TuningData) -> tuple[set[str], list[str]]:
    """Return the columns of a whole example that give the label away, and a note of each."""
    rows = np.concatenate([np.arange(*data.held[ordinal]) for ordinal in data.training.tolist()])
    labels = [data.labels[row] for row in rows.tolist()]
    most = max(Counter(labels).values()) / len(labels)
    found, notes = set(), []
    names = {name for ordinal in data.training.tolist() for name in data.originals[ordinal].annotations}
    for name in sorted(names - {*data.task.needs}):
        values = [str(data.originals[ordinal].annotations.get(name)) for ordinal in data.table.example[rows].tolist()]
        pairs, counts = Counter(zip(values, labels, strict=True)), Counter(values)
        if 2 <= len(counts) < len(rows) / 2:
            told = sum(max(n for (value, _), n in pairs.items() if value == own) for own in counts) / len(rows)
            if told >= TELLS and told - most > (1 - most) / 2:
                found.add(name)
                notes.append(f"The column '{name}' tells {told:.0%} of the labels, so no slice is made of it.")
    return found, notes


def excess(
    masks: BoolArray, wrong: BoolArray, of: IntArray, draw: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return z of every slice [s], and its p value: how often chance has a largest z over all of them as large.

    Parameters
    ----------
    masks : bool array [s, n]
    wrong : bool array [n]
    of : int64 array [n]
        Unit of each row.
    draw : Generator
    """
    _, unit = np.unique(of, return_inverse=True)
    apart = masks - masks.mean(axis=1, keepdims=True)
    each = apart * (wrong - wrong.mean())  # [s, n]
    scores = np.stack([np.bincount(unit, weights=row) for row in each])  # [s, units]
    size = np.sqrt((scores**2).sum(axis=1))
    size[size == 0] = np.inf
    z = scores.sum(axis=1) / size
    signs = draw.choice([-1.0, 1.0], size=(DRAWS, scores.shape[1]))
    largest = (signs @ (scores / size[:, None]).T).max(axis=1)
    return z, (1 + (largest[:, None] >= z - 1e-12).sum(axis=0)) / (DRAWS + 1)


def _half(inside: BoolArray, wrong: BoolArray, p: float) -> Half:
    shares = [float(wrong[part].mean()) if part.any() else 0.0 for part in (inside, ~inside)]
    return Half(int(inside.sum()), shares[0], shares[1], float(p))


def _wide_enough(masks: BoolArray, here: BoolArray, least: int) -> list[int]:
    counts = [part.sum(axis=1) for half in (here, ~here) for part in (masks[:, half], ~masks[:, half])]
    return np.flatnonzero(np.min(counts, axis=0) >= least).tolist() if len(masks) else []


def _overlap(one: BoolArray, other: BoolArray) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))
