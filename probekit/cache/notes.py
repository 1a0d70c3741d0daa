"""What whoever reads a cache must say of it: how it was made, what it kept, what was cut off its texts.

Enters: an open cache, or the findings of its manifest. Leaves: sentences, for reports and for output. Surprise: a cache
knows how many words an example lost, and not which targets: those without a token are counted where they are asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from probekit.cache.format.certificate import made_notes
from probekit.cache.keep import keep_notes

if TYPE_CHECKING:
    from probekit.cache.reader import ActivationCache

TRUNCATED, TRUNCATED_EXAMPLES, TRUNCATED_COUNT = "truncated", "truncated_examples", "examples_truncated"
"""In the findings: words that were cut off, the first ids of the examples that lost them, how many examples did."""
NAMED = 3


def cache_notes(cache: ActivationCache) -> list[str]:
    """Return what a report must say of the cache that it was made from."""
    notes = [*made_notes(cache.made_with), *keep_notes(cache)]
    return [*notes, *truncated_notes(cache.manifest["findings"])]


def truncated_notes(findings: Mapping[str, Any]) -> list[str]:
    """Return the note on words that were cut off, if any was."""
    line = truncated_line(findings)
    if line is None:
        return []
    return [f"{line}. What is read of these examples, their last token too, is of the words before the cut."]


def truncated_line(findings: Mapping[str, Any]) -> str | None:
    """Return how many words were cut off and from which examples, without a full stop; None where none was.

    Caches that were made before examples were counted name some without a number.
    """
    words = findings.get(TRUNCATED)
    if not words:
        return None
    ids, count = findings.get(TRUNCATED_EXAMPLES, []), findings.get(TRUNCATED_COUNT)
    more = "" if count is None or count <= NAMED else f" and {count - NAMED:,} more"
    of = "examples" if count is None else f"{count:,} example{'' if count == 1 else 's'}"
    named = ", ".join(map(repr, ids[:NAMED])) + more
    return f"{words:,} words were cut off from {of} over the limit (--overflow truncate): {named}"
