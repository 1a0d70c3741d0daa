"""CrowS-Pairs: two sentences that differ in the group they speak of, one of them more of a stereotype.

What enters is the CSV with ``sent_more``, ``sent_less``, ``stereo_antistereo`` and ``bias_type``. What leaves is an
item a pair; right is the sentence that shares the stereotype, so that one half is what a model without it scores.
The words that the two share are what is scored, in as many regions as they are apart; the others are regions named
``modified``. So the measure is the paper's: the likelihood of what both share, given what they do not. The stereotypes
offend; Blodgett et al. 2021 list what is wrong with many pairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path

from probekit.behaviour.bias.crows_pairs import crows_pairs
from probekit.behaviour.items import SCORED, Item, Region, Sentence, Skipped
from probekit.behaviour.suites import Reading, Suite
from probekit.behaviour.suites._pairs import unscorable
from probekit.behaviour.suites._rows import names_in, table
from probekit.errors import InputError

COLUMNS = ("sent_more", "sent_less", "stereo_antistereo", "bias_type")
DIRECTIONS = ("stereo", "antistereo")
MODIFIED = "modified"
NOTHING_SHARED = "the sentences share no word, so that nothing is scored"


def read(path: Path) -> Reading:
    """Yield the pairs.

    Raises
    ------
    InputError
        A column that is missing, a direction that is none.
    """
    for number, row in enumerate(table(path, needs=COLUMNS, delimiter=",")):
        more, less, direction, kind = map(row.text, COLUMNS)
        name = f"crows_pairs/{row.cells.get('') or number}"
        if direction not in DIRECTIONS:
            raise InputError(f"{row.where}: 'stereo_antistereo' must be {' or '.join(DIRECTIONS)}. Got '{direction}'.")
        if fault := unscorable((more, less)):
            yield Skipped(name, row.where, fault, more[:120])
            continue
        sentences = (
            Sentence(more, tuple(_regions(more, less)), "more"),
            Sentence(less, tuple(_regions(less, more)), "less"),
        )
        if not all(any(region.name == SCORED for region in sentence.regions) for sentence in sentences):
            yield Skipped(name, row.where, NOTHING_SHARED, more[:120])
            continue
        yield Item(name, "crows_pairs", kind, name, sentences, 0, {"direction": direction})


def _regions(text: str, other: str) -> Iterator[Region]:
    """Yield the words of a text as they are shared with the other or not, neighbours of a kind as one region."""
    words = list(re.finditer(r"\w+|[^\w\s]", text))
    matcher = SequenceMatcher(None, [word[0] for word in words], re.findall(r"\w+|[^\w\s]", other), autojunk=False)
    for kind, start, stop, _, _ in matcher.get_opcodes():
        if stop > start:
            yield Region(SCORED if kind == "equal" else MODIFIED, words[start].start(), words[stop - 1].end())


def recognises(path: Path) -> bool:
    """Tell whether the first line names the columns."""
    return names_in(path) >= set(COLUMNS)


SUITE = Suite(
    "crows_pairs",
    read,
    help="Pairs of sentences of which one is more of a stereotype.",
    reference="Nangia, Vania, Bhalerao and Bowman 2020, EMNLP; Blodgett et al. 2021, ACL",
    licence="CC BY-SA 4.0",
    recognises=recognises,
    homes=("crows_pairs",),
    measures=crows_pairs,
)
