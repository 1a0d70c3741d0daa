"""Which places of an example have a row, where a cache keeps places: whole examples, positions, spans of a task.

Enters: what ``--keep`` names, and examples with their annotations, as they are read from the corpus. Leaves: the places
of each, which are stored beside its words, and who has none, counted by reason. Surprise: two names may mean one place
(``last`` and ``last-prompt`` of a text that nobody answers): it has one row, for both.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

from probekit.cache.examples import Kept
from probekit.cache.keep import KEEP, SENTENCE, SPANS, Keep
from probekit.errors import InputError, UsageError, did_you_mean
from probekit.example import Example
from probekit.tasks import ProbeTask, get_task
from probekit.tasks.positions import POSITIONS, place_of
from probekit.tasks.task import check_spans

NAMED = 3
Finder = Callable[[Example], Kept | str]
"""Gives the places of a unit in an example, or why it has none."""


class KeptPlaces:
    """Finds the places of examples; call it with each in turn.

    Parameters
    ----------
    keep : Keep
        With ``keep.places``.

    Raises
    ------
    UsageError
        There is no such position or task, or a position of one token is to be pooled.
    """

    def __init__(self, keep: Keep) -> None:
        self.keep = keep
        self._finders: dict[str, Finder] = {unit: _named_finder(unit, keep) for unit in keep.units}
        self._found: Counter[str] = Counter()
        self._missing: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        if keep.pool != "mean" and all(_closing(unit) for unit in keep.units):
            raise UsageError(
                f"The `keep` option names positions of one token ({', '.join(keep.units)}), so there is nothing to "
                f"pool. Leave out ':{keep.pool}'."
            )

    def __call__(self, example: Example) -> Kept:
        """Return the places of an example that have a row, in their order, each once."""
        places: set[tuple[int, int]] = set()
        for unit, find in self._finders.items():
            found = find(example)
            if isinstance(found, str):
                self._missing[unit][found].append(example.id)
                continue
            self._found[unit] += len(found)
            places.update(found)
        return sorted(places)

    def notes(self) -> list[str]:
        """Say how many places of each unit there are, and which examples have none; after the corpus was read.

        Raises
        ------
        InputError
            No example has any.
        """
        lines = []
        for unit in self._finders:
            reasons = "; ".join(
                f"{reason}: {len(ids):,} ({', '.join(ids[:NAMED])}{' ..' if len(ids) > NAMED else ''})"
                for reason, ids in self._missing[unit].items()
            )
            if not self._found[unit]:
                raise InputError(
                    f"No example has what --keep {unit} would keep ({reasons or 'no target'}). Give a corpus that has "
                    "it, or keep something else."
                )
            none = f"; none in examples with {reasons}" if reasons else ""
            lines.append(f"Kept of '{unit}': {self._found[unit]:,} places{none}.")
        return lines


def _closing(unit: str) -> bool:
    name = unit.partition(":")[0]
    return name in (known := POSITIONS.members()) and known[name].closing


def _named_finder(unit: str, keep: Keep) -> Finder:
    """Return what finds a unit; one that is none beside a task may be a piece of it, behind a comma."""
    try:
        return _finder(unit, keep)
    except UsageError as error:
        if len(keep.units) == 1 or not any(one.startswith(f"{SPANS}:") for one in keep.units):
            raise
        raise UsageError(
            f"{error} Is '{unit:.60}' a piece of a task that has a comma? Such a task stands in double quotes: "
            f"""--keep '{SPANS}:"regex:a{{1,2}}"'."""
        ) from None


def _finder(unit: str, keep: Keep) -> Finder:
    if unit == SENTENCE:
        return lambda example: [(0, len(example.words))]
    name, _, option = unit.partition(":")
    if name == SPANS:
        if not option:
            raise UsageError(f"The `keep` option must be {SPANS}:TASK, like {SPANS}:semantic-role. Got '{unit}'.")
        return _spans_of(get_task(option))
    known = POSITIONS.members()
    if name not in known:
        names = ("tokens", "words", SENTENCE, SPANS, *known)
        raise UsageError(
            f"The `keep` option must be tokens, words, or a list of {SENTENCE}, {SPANS}:TASK and positions "
            f"({', '.join(known)}). Got '{unit:.60}'.{did_you_mean(name, names)}"
        )
    place = place_of(unit, KEEP)

    def find(example: Example) -> Kept | str:
        found = place.find(example)
        if isinstance(found, str):
            return found
        return [(-1, found[1]) if place.position.closing else found]

    return find


def _spans_of(task: ProbeTask) -> Finder:
    """Return what finds the words that the targets of a task are about."""

    def find(example: Example) -> Kept | str:
        lacking = [name for name in task.needs if name not in example.annotations and name not in example.spans]
        if lacking:
            return f"no annotation '{lacking[0]}'"
        spans: set[tuple[int, int]] = set()
        for target in task.targets(example):
            check_spans(task, target, example)
            spans.update(target.spans)
        return sorted(spans) or "no target"

    return find
