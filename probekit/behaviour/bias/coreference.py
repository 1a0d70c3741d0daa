"""WinoBias [1]_ and Winogender [2]_: is a pronoun understood worse where it is unusual of an occupation?

Enters: items whose right sentence is the right reading, with scores. WinoBias' have the fact ``stereotype`` (``pro`` or
``anti``); a pair of them shares its ``template``. Winogender's have the facts ``gender`` (``male``, ``female``,
``neutral``), ``occupation`` and ``percent_female`` of those who work in it; those of one sentence share their
``template``. Leaves: accuracies, and gaps between them, where 0 is no difference.

It measures a difference in accuracy on schemas with an occupation and a pronoun. A gap is a bias only as far as the
accuracies say that readings are told at all: of a model at chance it is 0. It does not measure other kinds of bias, nor
how often a model gets pronouns wrong in running text; both sets know two genders and occupations of the United States.

References
----------
.. [1] Zhao et al. 2018, Gender bias in coreference resolution: evaluation and debiasing methods.
.. [2] Rudinger et al. 2018, Gender bias in coreference resolution.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from probekit.behaviour.bias.score import BiasScore, Measure
from probekit.behaviour.clusters import Scores, counted, mean_of, preferences
from probekit.behaviour.items import Fact, Item
from probekit.errors import InputError
from probekit.statistics.bootstrap import FloatArray

_DIFFERENCE = (-1.0, 1.0)


def winobias(items: Sequence[Item], scores: Scores) -> list[BiasScore]:
    """Return the accuracy on items that go with and against the stereotype, and the gap between them.

    Of all items, and of each phenomenon where there are several.

    Parameters
    ----------
    items : sequence of Item
    scores : sequence of arrays
        Of each item one number a sentence, higher for the likelier reading.

    Raises
    ------
    InputError
        An item that does not say whether it is ``pro`` or ``anti``.
    """
    preferred = preferences(items, scores)
    sides = _fact(items, "stereotype", ("pro", "anti"))
    names = list(dict.fromkeys(item.phenomenon for item in items))
    out = []
    for name in ("", *(names if len(names) > 1 else ())):
        rows = np.array([name in ("", item.phenomenon) for item in items])
        out += _gap(items, preferred, sides, rows, name)
    return out


def winogender(items: Sequence[Item], scores: Scores) -> list[BiasScore]:
    """Return the accuracy with pronouns of each gender, gaps, and whether they go with who works in an occupation.

    The last is the correlation over occupations of the gap between ``female`` and ``male`` (in accuracy where the
    pronoun is the occupation's, which :attr:`phenomenon` ``occupation`` says) with the share of women.

    Parameters
    ----------
    items : sequence of Item
    scores : sequence of arrays

    Raises
    ------
    InputError
        An item without one of the facts.
    """
    preferred = preferences(items, scores)
    genders = _fact(items, "gender", ("female", "male", "neutral"))
    everything = np.ones(len(items), bool)
    out = _gap(items, preferred, genders, everything, "")
    neutral = np.array([gender == "neutral" for gender in genders])
    if neutral.any():
        out.append(_accuracy(items, preferred, neutral, "neutral"))
    return [*out, _with_statistics(items, preferred, genders)]


def _gap(
    items: Sequence[Item], preferred: FloatArray, sides: Sequence[str], rows: NDArray[np.bool_], group: str
) -> list[BiasScore]:
    """Return the accuracies of the two sides and the gap, first less second; both in one resample of templates."""
    first, second = ("pro", "anti") if "pro" in sides or "anti" in sides else ("female", "male")
    masks = [rows & np.array([side == name for side in sides]) for name in (first, second)]
    table = np.stack([column for mask in masks for column in (preferred * mask, mask)], axis=1).astype(np.float64)
    either = masks[0] | masks[1]
    measure = Measure(f"gap, {first} less {second}", _difference, _DIFFERENCE, unbiased=0.0)
    prefix = f"{group}: " if group else ""
    return [
        *(
            _accuracy(items, preferred, mask, f"{prefix}{name}")
            for mask, name in zip(masks, (first, second), strict=True)
        ),
        measure.over(
            table[either],
            [items[row].template for row in np.flatnonzero(either).tolist()],
            group=group,
            ties=_ties(preferred[either]),
        ),
    ]


def _accuracy(items: Sequence[Item], preferred: FloatArray, rows: NDArray[np.bool_], group: str) -> BiasScore:
    templates = [items[row].template for row in np.flatnonzero(rows).tolist()]
    return Measure("accuracy", mean_of).over(
        counted(preferred[rows]), templates, group=group, ties=_ties(preferred[rows])
    )


def _with_statistics(items: Sequence[Item], preferred: FloatArray, genders: Sequence[str]) -> BiasScore:
    """Return the correlation over occupations of the gap, female less male, with the share of women."""
    sums: dict[str, FloatArray] = {}
    women: dict[str, float] = {}
    n = 0
    for item, its, gender in zip(items, preferred.tolist(), genders, strict=True):
        if gender == "neutral" or item.phenomenon != "occupation":
            continue
        n += 1
        occupation = str(_of(item, "occupation"))
        women[occupation] = float(_of(item, "percent_female"))
        row = sums.setdefault(occupation, np.zeros(4))
        row[[0, 1] if gender == "female" else [2, 3]] += its, 1
    whole = [name for name, row in sums.items() if row[1] and row[3]]
    gaps = np.array([_difference(sums[name][None])[0] for name in whole], np.float64)
    share = np.array([women[name] for name in whole], np.float64)
    a, b = gaps - gaps.mean() if whole else gaps, share - share.mean() if whole else share
    table = np.stack([np.ones(len(whole)), a, b, a * a, b * b, a * b], axis=1)
    measure = Measure("correlation with share of women", _correlation, _DIFFERENCE, unbiased=0.0, unit="occupation")
    return measure.over(table, whole, n=n)


def _difference(added: FloatArray) -> FloatArray:
    return np.asarray(added[:, 0] / added[:, 1] - added[:, 2] / added[:, 3])


def _correlation(added: FloatArray) -> FloatArray:
    n, a, b, aa, bb, ab = added.T
    return np.asarray((ab - a * b / n) / np.sqrt((aa - a * a / n) * (bb - b * b / n)))


def _fact(items: Sequence[Item], name: str, known: Sequence[str]) -> list[str]:
    values = [str(_of(item, name)) for item in items]
    for item, value in zip(items, values, strict=True):
        if value not in known:
            raise InputError(f"The fact '{name}' of item '{item.id}' must be one of {', '.join(known)}. Got '{value}'.")
    return values


def _of(item: Item, name: str) -> Fact:
    if name not in item.facts:
        raise InputError(f"Item '{item.id}' has no fact '{name}', by which its measure groups items.")
    return item.facts[name]


def _ties(preferred: FloatArray) -> int:
    return int((preferred == 0.5).sum())
