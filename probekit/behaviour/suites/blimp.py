"""BLiMP: 67 paradigms of 1,000 minimal pairs, and whatever is written in its form.

What enters is a file of JSON lines with ``sentence_good``, ``sentence_bad`` and ``UID``. What leaves is an item a pair;
its phenomenon is the paradigm, its cluster the pair, as pairs are drawn one by one. The facts carry ``term`` (one of
12 phenomena of grammar), ``field``, and the words that differ.
"""

from __future__ import annotations

from pathlib import Path

from probekit.behaviour.suites import Reading, Suite
from probekit.behaviour.suites._pairs import pair
from probekit.behaviour.suites._rows import names_in, objects

COLUMNS = ("sentence_good", "sentence_bad", "UID")


def read(path: Path) -> Reading:
    """Yield the pairs of a paradigm.

    Raises
    ------
    InputError
        A line that is no JSON object, or lacks a column.
    """
    for number, row in enumerate(objects(path)):
        good, bad, paradigm = map(row.text, COLUMNS)
        name = f"{paradigm}/{row.cells.get('pairID', number)}"
        facts = {
            fact: str(row.cells[column])
            for fact, column in (("term", "linguistics_term"), ("field", "field"))
            if column in row.cells
        }
        yield pair("blimp", name, where=row.where, texts=(good, bad), phenomenon=paradigm, template=name, facts=facts)


def recognises(path: Path) -> bool:
    """Tell whether the first line is an object with the columns of BLiMP."""
    return names_in(path) >= set(COLUMNS)


SUITE = Suite(
    "blimp",
    read,
    help="Minimal pairs of 67 paradigms of English grammar.",
    reference="Warstadt et al. 2020, TACL 8",
    licence="CC BY 4.0",
    recognises=recognises,
    homes=("blimp",),
)
