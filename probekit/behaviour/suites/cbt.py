"""The Children's Book Test: which of ten words was left out of a sentence, given the twenty before it.

What enters is blocks of 21 numbered lines; the last has the query with its gap (five X), and behind tabs the answer
and the candidates with ``|`` between them. What leaves is an item of ten sentences a block, the query in its context.
``cbt:scoring=...:FILE`` says what counts: the whole ``query`` (the default, as Hill et al. rank candidates by a
language model), the ``word`` alone, or only what stands ``behind`` the word.

References
----------
Hill, Bordes, Chopra and Weston 2016.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from probekit.behaviour.items import SCORED, Item, Region, Sentence, Skipped
from probekit.behaviour.suites import Reading, Suite, one_of
from probekit.behaviour.suites._rows import head_of, paragraphs
from probekit.corpus.lines import file_stem
from probekit.errors import InputError

GAP = 5 * "X"
LINES = 21
SCORINGS = ("query", "word", "behind")
NUMBERED = re.compile(r"\d+ ")
NOTHING_BEHIND = "nothing stands behind the gap, so that nothing of it can be scored (scoring=query does)"


def read(path: Path, *, scoring: str = "query") -> Reading:
    """Yield the questions of a file.

    Raises
    ------
    InputError
        A block that has not 21 numbered lines, a query without a gap, an answer that is no candidate.
    """
    for number, block in enumerate(paragraphs(path), 1):
        line = block[-1][0]
        where = f"{path}:{line}"
        if len(block) != LINES or not all(NUMBERED.match(text) for _, text in block):
            raise InputError(f"{where}: a question must be {LINES} numbered lines and a blank one. Got {len(block)}.")
        texts = [NUMBERED.sub("", text, count=1) for _, text in block]
        query, answer, candidates = _query(texts[-1], where)
        name = f"{file_stem(path)}/{number}"
        gap = query.index(GAP)
        before, after = " ".join([*texts[:-1], query[:gap]]), query[gap + len(GAP) :]
        if scoring == "behind" and not after.strip(" .!?"):
            yield Skipped(name, where, NOTHING_BEHIND, query)
            continue
        start = len(before) - gap
        sentences = tuple(_sentence(before, word, after, scoring=scoring, query=start) for word in candidates)
        right = candidates.index(answer)
        yield Item(name, "cbt", file_stem(path), name, sentences, right, {"answer": answer})


def _query(text: str, where: str) -> tuple[str, str, list[str]]:
    cells = [cell.strip() for cell in text.split("\t") if cell.strip()]
    if len(cells) != 3 or cells[0].count(GAP) != 1:
        raise InputError(f"{where}: a query must hold {GAP} once, and behind tabs the answer and the candidates.")
    query, answer, listed = cells
    candidates = [word for word in listed.split("|") if word]
    if answer not in candidates or len(set(candidates)) < len(candidates):
        raise InputError(f"{where}: the answer must be one of different candidates. Got '{answer}' of '{listed}'.")
    return query, answer, candidates


def _sentence(before: str, word: str, after: str, *, scoring: str, query: int) -> Sentence:
    filled = len(before) + len(word)
    text = f"{before}{word}{after}"
    start, stop = {
        "query": (query, len(text)),
        "word": (len(before), filled),
        "behind": (filled + len(after) - len(after.lstrip()), len(text)),
    }[scoring]
    return Sentence(text, (Region(SCORED, start, stop),))


def recognises(path: Path) -> bool:
    """Tell whether the first block is twenty numbered lines and a query."""
    head = head_of(path, LINES)
    return len(head) == LINES and all(map(NUMBERED.match, head)) and GAP in head[-1] and "\t" in head[-1]


def configured(given: Mapping[str, str]) -> partial[Reading]:
    """Return what reads under a way of scoring."""
    return partial(read, scoring=one_of(given, "scoring", SCORINGS))


SUITE = Suite(
    "cbt",
    read,
    help="Which of ten words was left out of a sentence of a children's book.",
    reference="Hill, Bordes, Chopra and Weston 2016, ICLR",
    licence="GFDL",
    recognises=recognises,
    homes=("cbt", "CBTest"),
    choices={"scoring": f"what counts: {', '.join(SCORINGS)}"},
    configured=configured,
)
