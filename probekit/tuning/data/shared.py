"""Texts that one corpus scores and another one has trained on: scores on them are not scores on new text.

Enters: the targets of a task, the targets of one that the model is tuned for before it. Leaves: counts by split.
Surprise: texts are compared without spaces and without case, so that two ways to cut words find each other; a long one
is also found inside of a text that is longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from probekit.tuning.data.data import TuningData

LONG = 40
"""Letters from which on a text is looked for inside of others; shorter ones must be all of a text."""
BETWEEN = "\n"


@dataclass(frozen=True, slots=True)
class Shared:
    """What a split shares with what was trained on before.

    Attributes
    ----------
    split : str
    n : int
        Examples of the split.
    whole : int
        Of which every text was trained on.
    part : int
        Of which one of two texts was, and not the other.
    ids : tuple of str
        Of the first few of both.
    """

    split: str
    n: int
    whole: int
    part: int
    ids: tuple[str, ...]


MOST_IDS = 5


def shared_texts(scored: TuningData, trained: TuningData) -> list[Shared]:
    """Count the dev and test examples of a task whose texts another one trains on.

    Parameters
    ----------
    scored : TuningData
    trained : TuningData
        Limited to what it trains on.
    """
    known = {text for example in trained.training.tolist() for text in _texts(trained, example)}
    pool = BETWEEN.join(known)
    found = []
    for split in ("dev", "test"):
        counts = {"whole": 0, "part": 0}
        ids: list[str] = []
        examples = scored.examples(split).tolist()
        for example in examples:
            there = [_known(text, known, pool) for text in _texts(scored, example)[1:]]
            if any(there):
                counts["whole" if all(there) else "part"] += 1
                ids.append(scored.table.ids[example])
        found.append(Shared(split, len(examples), counts["whole"], counts["part"], tuple(ids[:MOST_IDS])))
    return found


def shared_note(shared: Sequence[Shared], stage: str) -> str:
    """Say what is shared with a stage, also that nothing is."""
    asked = " and ".join(f"{one.n:,} {one.split}" for one in shared)
    if not any(one.whole or one.part for one in shared):
        return f"Of the {asked} examples none has a text that '{stage}' trains on."
    parts = []
    for one in shared:
        if one.whole or one.part:
            more = " ..." if one.whole + one.part > len(one.ids) else ""
            half = f" ({one.part:,} of them with one of their two texts)" if one.part else ""
            parts.append(
                f"{one.whole + one.part:,} of {one.n:,} {one.split} examples{half}: {', '.join(one.ids)}{more}"
            )
    return f"'{stage}' trains on texts that are scored here, which are then no new text: {'; '.join(parts)}."


def _known(text: str, known: set[str], pool: str) -> bool:
    return text in known or (len(text) >= LONG and text in pool)


def _texts(data: TuningData, example: int) -> list[str]:
    """Return an example whole, and behind it the texts that it is made of: two of a pair of sentences, else one."""
    words = data.words[example]
    low, high = data.held[example].tolist()
    whole = _letters(words)
    if high - low == 1 and data.table.spans.shape[1] == 2:
        (first, middle), (second, last) = data.table.spans[low].tolist()
        if (first, middle, last) == (0, second, len(words)):
            return [whole, _letters(words[:middle]), _letters(words[middle:])]
    return [whole, whole]


def _letters(words: Sequence[str]) -> str:
    return "".join(words).casefold().replace(BETWEEN, "")
