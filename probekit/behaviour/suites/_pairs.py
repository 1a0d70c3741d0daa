"""A row with a better and a worse sentence becomes an item: shared by the suites of minimal pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from probekit.behaviour.items import Fact, Item, Sentence, Skipped
from probekit.behaviour.suites._sentences import BLANK, IDENTICAL, contrast_fact


def pair(
    suite: str,
    name: str,
    *,
    where: str,
    texts: Sequence[str],
    phenomenon: str,
    template: str,
    facts: Mapping[str, Fact],
) -> Item | Skipped:
    """Return the item of two sentences or more, the right one first; or why there is none.

    Parameters
    ----------
    suite, name : str
        The suite and the id.
    where : str
        ``file:line``.
    texts : sequence of str
    phenomenon, template : str
    facts : mapping
        The contrast of the first two is added.
    """
    if fault := unscorable(texts):
        return Skipped(name, where, fault, " / ".join(texts)[:120])
    told = {**facts, "contrast": contrast_fact(texts[0], texts[1])}
    return Item(name, suite, phenomenon, template, tuple(map(Sentence, texts)), 0, told)


def unscorable(texts: Sequence[str]) -> str:
    """Return why texts cannot be compared; an empty string where they can."""
    if not all(text.strip() for text in texts):
        return BLANK
    return IDENTICAL if len(set(texts)) < len(texts) else ""


def facts_of(cells: Mapping[str, object], without: Sequence[str]) -> dict[str, Fact]:
    """Return the cells that are single values as facts."""
    return {
        name: value
        for name, value in cells.items()
        if isinstance(value, str | int | float | bool) and name not in without and value != ""
    }
