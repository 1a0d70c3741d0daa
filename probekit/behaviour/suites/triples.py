"""Triples: a natural sentence, a nonce one of the same form, and an ungrammatical one.

What enters is JSON lines, TSV or CSV with the columns ``natural``, ``nonce`` and ``ungrammatical``. What leaves is
three items a triple, one cluster: natural over ungrammatical, nonce over ungrammatical, natural over nonce. A model of
grammar alone is as good at the second as at the first; the third says how much the words themselves weigh.
``ungrammatical`` is the bad version of the nonce sentence where only one is given; a column ``ungrammatical_natural``
may hold that of the natural one.
"""

from __future__ import annotations

from pathlib import Path

from probekit.behaviour.suites import Reading, Suite
from probekit.behaviour.suites._pairs import facts_of, pair
from probekit.behaviour.suites._rows import names_in, records
from probekit.corpus.lines import file_stem

COLUMNS = ("natural", "nonce", "ungrammatical")
OWN = "ungrammatical_natural"


def read(path: Path) -> Reading:
    """Yield three items a triple.

    Raises
    ------
    InputError
        A column that is missing, a row that is none.
    """
    for number, row in enumerate(records(path, COLUMNS), 1):
        natural, nonce, bad = map(row.text, COLUMNS)
        own = row.text(OWN) if row.cells.get(OWN) else bad
        name = str(row.cells.get("id", f"{file_stem(path)}/{number}"))
        facts = facts_of(row.cells, [*COLUMNS, OWN, "id", "template"])
        for better, worse, texts in (
            ("natural", "ungrammatical", (natural, own)),
            ("nonce", "ungrammatical", (nonce, bad)),
            ("natural", "nonce", (natural, nonce)),
        ):
            yield pair(
                "triples",
                f"{name}/{better}-{worse}",
                where=row.where,
                texts=texts,
                phenomenon=f"{better} over {worse}",
                template=str(row.cells.get("template", name)),
                facts=facts,
            )


def recognises(path: Path) -> bool:
    """Tell whether the first line names the three columns."""
    return names_in(path) >= set(COLUMNS)


SUITE = Suite(
    "triples",
    read,
    help="A natural, a nonce and an ungrammatical sentence each.",
    reference="the file itself; the design of Gulordava et al. 2018, NAACL",
    recognises=recognises,
)
