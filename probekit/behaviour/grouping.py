"""Which items are judged, and which are counted together: those of a phenomenon, or of one value of a fact.

Enters: items. Leaves: fewer of them with a sentence that says so, and the places of each group.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from probekit.behaviour.items import Fact, Item
from probekit.errors import UsageError, did_you_mean


def first_of_each(items: Sequence[Item], limit: int, by: str = "") -> tuple[list[Item], list[str]]:
    """Return the first items of each phenomenon, one of every template in turn, and what to say of the others.

    Suites are sorted: the first hundred that a template makes are one sentence with other nouns, so the first of every
    template come before the second of any. Where items are grouped by a fact, it is so of each value in each
    phenomenon: the first of a phenomenon would be all of one value, so that the two could not be told apart.
    """
    rounds: Counter[tuple[str, Fact, str]] = Counter()
    groups: dict[tuple[str, Fact], list[tuple[int, int]]] = {}
    for place, item in enumerate(items):
        group = item.phenomenon, item.facts[by] if by else ""
        of_template = *group, item.template
        groups.setdefault(group, []).append((rounds[of_template], place))
        rounds[of_template] += 1
    chosen = sorted(place for those in groups.values() for _, place in sorted(those)[:limit])
    kept = [items[place] for place in chosen]
    if len(kept) == len(items):
        return kept, []
    cut = len({phenomenon for (phenomenon, _), those in groups.items() if len(those) > limit})
    of = f"each phenomenon and value of {by}" if by else "each phenomenon"
    phenomena = len({phenomenon for phenomenon, _ in groups})
    turn = ", one of every template in turn" if max(rounds.values()) > 1 else ""
    return kept, [
        f"Judged are the first {limit:,} items of {of}{turn}: {len(items) - len(kept):,} of {len(items):,} are "
        f"left out by the limit, from {cut:,} of {phenomena:,} phenomena."
    ]


def with_fact(items: Sequence[Item], fact: str, suite: str) -> tuple[list[Item], list[str]]:
    """Return the items that state a fact, and what to say of the others.

    Raises
    ------
    UsageError
        No item states it.
    """
    kept = [item for item in items if fact in item.facts]
    if not kept:
        known = sorted({name for item in items for name in item.facts})
        has = f"they have {', '.join(known)}" if known else "they have none"
        raise UsageError(f"The items of '{suite}' have no fact '{fact}': {has}.{did_you_mean(fact, known)}")
    if len(kept) == len(items):
        return kept, []
    lost = list(dict.fromkeys(item.phenomenon for item in items if fact not in item.facts))
    return kept, [
        f"{len(items) - len(kept):,} of {len(items):,} items state no {fact} and are left out: those of "
        f"{', '.join(lost[:5])}{f' and {len(lost) - 5:,} more' if len(lost) > 5 else ''}."
    ]


def groups_of(items: Sequence[Item], by: str = "") -> dict[str, NDArray[np.int64]]:
    """Return the places of the items of each phenomenon, or of each value of the fact ``by``.

    In the order of the suite; where all values are numbers, in theirs.
    """
    found: dict[Fact, list[int]] = {}
    for place, item in enumerate(items):
        found.setdefault(item.facts[by] if by else item.phenomenon, []).append(place)
    if by and all(type(value) in (int, float) for value in found):
        found = dict(sorted(found.items()))
    return {str(value): np.array(places, np.int64) for value, places in found.items()}


def as_number(group: str) -> float | None:
    """Return the number that the name of a group is, or None."""
    try:
        number = float(group)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
