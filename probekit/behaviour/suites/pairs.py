"""Any minimal pairs: JSON lines, TSV or CSV with a column of better and one of worse sentences.

What enters is a file whose columns are called as in :data:`COLUMNS`, or as the user says
(``pairs:good=yes,bad=no:FILE``). What leaves is an item a row; its phenomenon is the column of that name or the file's
stem, its cluster the column ``template`` (or ``lemma``) or the row itself. Any other column with single values is a
fact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

from probekit.behaviour.suites import Reading, Suite
from probekit.behaviour.suites._pairs import facts_of, pair
from probekit.behaviour.suites._rows import names_in, no_column, records
from probekit.corpus.lines import file_stem
from probekit.errors import InputError

COLUMNS = {
    "good": ("good", "sentence_good", "good_sentence", "grammatical", "acceptable", "correct"),
    "bad": ("bad", "sentence_bad", "bad_sentence", "ungrammatical", "unacceptable", "incorrect"),
    "phenomenon": ("phenomenon", "paradigm", "UID", "condition", "category"),
    "template": ("template", "lemma"),
    "id": ("id", "pair_id", "item"),
}
"""What columns are called, the first that is there."""
NEEDED = ("good", "bad")


def read(path: Path, *, given: Mapping[str, str] = MappingProxyType({})) -> Reading:
    """Yield the pairs of a file; ``given`` says what its columns are called.

    Raises
    ------
    InputError
        No column of better or worse sentences (``file:line``), a row that is none.
    """
    roles: dict[str, str] = {}
    for number, row in enumerate(records(path), 1):
        if not roles:
            roles = roles_of(list(row.cells), given, row.where)
        good, bad = (row.text(roles[role]) for role in NEEDED)
        named = {role: str(row.cells[column]) for role, column in roles.items() if row.cells.get(column) is not None}
        name = named.get("id") or f"{file_stem(path)}/{number}"
        yield pair(
            "pairs",
            name,
            where=row.where,
            texts=(good, bad),
            phenomenon=named.get("phenomenon") or file_stem(path),
            template=named.get("template") or name,
            facts=facts_of(row.cells, [*roles.values()]),
        )


def roles_of(names: Sequence[str], given: Mapping[str, str], where: str) -> dict[str, str]:
    """Return which column is what.

    Raises
    ------
    InputError
        A column that the user names is missing, or none is called as better and worse sentences are.
    """
    roles = {}
    for role, known in COLUMNS.items():
        if role in given and given[role] not in names:
            raise no_column(where, given[role], names)
        column = given.get(role) or next((name for name in known if name in names), None)
        if column is not None:
            roles[role] = column
        elif role in NEEDED:
            raise InputError(
                f"{where}: no column is called {', '.join(known)}; there are {', '.join(names)}. Say which holds the "
                f"{'better' if role == 'good' else 'worse'} sentence: pairs:good=NAME,bad=NAME:FILE."
            )
    return roles


def recognises(path: Path) -> bool:
    """Tell whether the first line names a column of better and one of worse sentences."""
    names = names_in(path)
    return all(names & set(COLUMNS[role]) for role in NEEDED)


def configured(given: Mapping[str, str]) -> partial[Reading]:
    """Return what reads with columns as the user names them."""
    return partial(read, given=given)


SUITE = Suite(
    "pairs",
    read,
    help="Any minimal pairs with named columns: JSON lines, TSV, CSV.",
    reference="the file itself",
    recognises=recognises,
    general=True,
    choices={
        "good": "the column of better sentences",
        "bad": "the column of worse sentences",
        "phenomenon": "the column that accuracy is summed over",
        "template": "the column of clusters",
        "id": "the column of names",
    },
    configured=configured,
)
