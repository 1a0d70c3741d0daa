"""A candidate in the place of a pronoun: the Winograd form, scored in full or in part.

What enters is a sentence, the place of its pronoun, and whom it may mean; what leaves is one sentence a candidate.
Scored in part, what counts is what stands behind the candidate, given the candidate: Trinh and Le 2018 found that a
candidate's own frequency then weighs less.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from probekit.behaviour.items import SCORED, Region, Sentence
from probekit.behaviour.suites._sentences import lowered

SCORINGS = ("partial", "full")
NOTHING_BEHIND = "nothing stands behind the pronoun, so that it cannot be scored in part (scoring=full does)"
_POSSESSIVE = ("his", "its", "their", "my", "your", "our")
_NOT_OWNED = re.compile(
    r"\s*(?:$|[.,;:!?]|(?:to|in|on|at|by|for|from|with|of|into|about|as|and|or|but|because|so|when|while|after|before|if"
    r"|out|off|up|down|away|back|over|the|a|an|that|who|which|not|very|too|is|was|again|gasp|down)\b)",
    re.IGNORECASE,
)
"""What may stand behind ``her`` where it is not a possessive."""


def is_possessive(pronoun: str, after: str) -> bool:
    """Tell whether a pronoun owns what stands behind it; of ``her`` the words behind it tell."""
    low = pronoun.lower()
    return low in _POSSESSIVE or (low == "her" and _NOT_OWNED.match(after) is None)


def in_place(
    before: str, candidates: Sequence[str], after: str, *, possessive: bool = False, scoring: str = "partial"
) -> tuple[Sentence, ...] | str:
    """Return a sentence a candidate, or why there are none.

    Parameters
    ----------
    before, after : str
        What stands around the pronoun.
    candidates : sequence of str
    possessive : bool
        Whether they take ``'s``.
    scoring : str
        ``partial`` or ``full``.
    """
    before, after = " ".join(before.split()), " ".join(after.split())
    if scoring == "partial" and not re.search(r"\w", after):
        return NOTHING_BEHIND
    sentences = []
    for candidate in candidates:
        first = not before or before[-1] in ".!?"
        name = candidate[:1].upper() + candidate[1:] if first else lowered(candidate)
        if possessive:
            name += "'" if name.endswith("s") else "'s"
        filled = f"{before} {name}" if before else name
        text = filled + (f" {after}" if after and (after[0].isalnum() or after[0] in "\"'([") else after)
        # The same words for every candidate: what stands before them tells the candidates apart.
        behind = (Region(SCORED, len(text) - len(after), len(text)),)
        sentences.append(Sentence(text, behind if scoring == "partial" else (), candidate))
    return tuple(sentences)
