"""Winograd schemas: whom a pronoun means, with each candidate put in its place.

What enters is blocks of sentence, pronoun, candidates and answer (the Winograd Schema Challenge, the Pronoun
Disambiguation Problems and the data of Rahman & Ng 2012 in that form), or the JSON lines of WinoGrande (``sentence``
with ``_``, ``option1``, ``option2``, ``answer``). What leaves is an item a block with a sentence a candidate, scored
in part: what stands behind the candidate; ``winograd:scoring=full:FILE`` scores all of it. Neighbours with the same
candidates or words are twins and share a cluster. Surprise: files that write ``[MASK]`` for the pronoun do not tell a
possessive one, so there the candidate stands as it is ("Ollie legs ached").
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from probekit.behaviour.items import Fact, Item, Sentence, Skipped
from probekit.behaviour.suites import Reading, Suite, one_of
from probekit.behaviour.suites._candidates import SCORINGS, in_place, is_possessive
from probekit.behaviour.suites._rows import head_of, names_in, objects
from probekit.corpus.lines import file_stem
from probekit.corpus.notes import Notes
from probekit.corpus.readers._rows import sentences as blocks_of
from probekit.corpus.readers.dpr import MASK, Block, block_of, marks_of, twins
from probekit.corpus.readers.dpr import recognises as is_blocks
from probekit.errors import InputError

COLUMNS = ("sentence", "option1", "option2", "answer")
GAP = "_"


def read(path: Path, *, scoring: str = "partial") -> Reading:
    """Yield the schemas of a file.

    Raises
    ------
    InputError
        A block or line that is no schema.
    """
    return _grande(path, scoring) if names_in(path) >= set(COLUMNS) else _blocks(path, scoring)


def _blocks(path: Path, scoring: str) -> Reading:
    notes = Notes()
    last: Block | None = None
    pairs = 0
    for number, (_, rows) in enumerate(blocks_of(path, notes, lambda text: False), 1):
        block = block_of(path, rows)
        pairs += last is None or not twins(last, block)
        last = block
        pronoun = marks_of(path, rows, block, notes)[0]
        before, after = block.sentence[: pronoun.start], block.sentence[pronoun.stop :]
        made = in_place(
            before, block.candidates, after, possessive=is_possessive(block.pronoun, after), scoring=scoring
        )
        facts: dict[str, Fact] = {} if block.pronoun == MASK else {"pronoun": block.pronoun.lower()}
        yield _item(
            f"{file_stem(path)}/{number}",
            made,
            right=block.answer,
            where=f"{path}:{rows[0].number}",
            template=f"{file_stem(path)}/pair {pairs}",
            facts=facts,
        )


def _grande(path: Path, scoring: str) -> Reading:
    for number, row in enumerate(objects(path), 1):
        sentence, *options, answer = map(row.text, COLUMNS)
        name = f"{file_stem(path)}/{number}"
        if answer not in ("1", "2") or sentence.count(GAP) != 1:
            if not answer:
                yield Skipped(name, row.where, "the answer is not given", sentence)
                continue
            raise InputError(f"{row.where}: a schema must hold one {GAP} and an answer of 1 or 2. Got '{answer}'.")
        before, _, after = sentence.partition(GAP)
        twin = str(row.cells.get("qID", name)).rpartition("-")[0] or name
        yield _item(
            name, in_place(before, options, after, scoring=scoring), right=int(answer) - 1, where=row.where,
            template=twin, facts={},
        )  # fmt: skip


def _item(
    name: str, made: tuple[Sentence, ...] | str, *, right: int, where: str, template: str, facts: Mapping[str, Fact]
) -> Item | Skipped:
    if isinstance(made, str):
        return Skipped(name, where, made)
    return Item(name, "winograd", name.rpartition("/")[0], template, made, right, facts)


def recognises(path: Path) -> bool:
    """Tell whether the file holds blocks of schemas, or lines of WinoGrande."""
    return names_in(path) >= set(COLUMNS) or is_blocks("", head_of(path))


def configured(given: Mapping[str, str]) -> partial[Reading]:
    """Return what reads under a way of scoring."""
    return partial(read, scoring=one_of(given, "scoring", SCORINGS))


SUITE = Suite(
    "winograd",
    read,
    help="Whom a pronoun means: Winograd schemas, definite pronouns, WinoGrande.",
    reference="Levesque, Davis and Morgenstern 2012, KR; Rahman and Ng 2012, EMNLP; Sakaguchi et al. 2020, AAAI",
    recognises=recognises,
    homes=("wsc_dpr", "winogrande"),
    choices={"scoring": f"what counts: {', '.join(SCORINGS)}"},
    configured=configured,
)
