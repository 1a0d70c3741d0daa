"""How many questions have vectors, and what is said of the others.

Enters: a table of vectors, and what it was asked. Leaves: counts, and sentences for the notes of a report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from probekit.statistics.units import how_many
from probekit.viewing.words.questions import Analogy
from probekit.viewing.words.solving import Asked
from probekit.viewing.words.tables import WordTable

_NAMED = 10


def coverage_of(asked: int, kept: int, missing: Counter[str], candidates: int) -> dict[str, Any]:
    """Return how many questions there were, how many have vectors, among how many candidates, and what has none."""
    return {"asked": asked, "covered": kept, "candidates": candidates, "missing": dict(missing.most_common())}


def said_of(table: WordTable, asked: Sequence[Analogy], found: Asked) -> list[str]:
    """Say of a table how many candidates it has, what it was not asked, and what it could not answer."""
    where = "" if table.layer is None else f"layer {table.layer}: "
    notes = [f"{where}{len(table.words):,} words are candidates."]
    notes += missing_words(f"{sum(found.left_out.values()):,} of {len(asked):,} questions", found.missing, table)
    by_section = Counter(one.section for one in asked)
    if whole := [name for name, count in found.left_out.items() if count == by_section[name]]:
        notes.append(f"{where}No question is left of the sections {', '.join(whole)}.")
    if found.degenerate:
        notes.append(
            f"{where}The answer of {how_many(found.degenerate, 'question')} is one of its own words, which is left "
            "out: it counts as an error."
        )
    return notes


def missing_words(what: str, missing: Counter[str], table: WordTable) -> list[str]:
    """Say what is left out because words have no vector; nothing where all have."""
    if not missing:
        return []
    where = "" if table.layer is None else f"layer {table.layer}: "
    named = ", ".join(f"'{word}'" for word, _ in missing.most_common(_NAMED))
    more = f" and {len(missing) - _NAMED:,} others" if len(missing) > _NAMED else ""
    return [f"{where}{what} left out: no vector of {how_many(len(missing), 'word')}, {named}{more}."]
