"""Which of some named columns is the text, which are labels, ids, documents and splits: for tables of every kind.

Enters: the names of the columns, and what the user said of them. Leaves: a role for each that has one; any other
column is an annotation of its own name. A row may have two texts, the roles ``text`` and ``second``. Nothing is guessed
where no column is called as a text is; that is an error which lists them.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from probekit.corpus.records import with_words
from probekit.errors import InputError, UsageError, did_you_mean

TEXTS = ("words", "text", "sentence", "review", "content")
"""Names of the column that holds the text, the first of them that is there."""
PAIRS = (
    ("text_a", "text_b"),
    ("sentence1", "sentence2"),
    ("sentence_a", "sentence_b"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
)
"""Names of the columns that hold two texts of a row, where none of :data:`TEXTS` is there."""
TEXT_ROLES = ("text", "second")
LABELS = ("label", "id", "group", "split")
ROLES = (*TEXT_ROLES, *LABELS)
"""What a user may say of columns."""


def roles_of(
    names: Sequence[str], columns: Mapping[str, str], *, place: str, reader: str, path: Path
) -> dict[str, str]:
    """Return what each column is whose name does not say an annotation: ``{"review": "text"}``.

    Parameters
    ----------
    names : sequence of str
    columns : mapping of str to str
        What the user said: ``{"text": "body"}``.
    place : str
        Where the names stand; begins every message.
    reader : str
        For what is advised.
    path : Path

    Raises
    ------
    InputError
        A column that is not there or that is said to be two things, or none that is called as a text is.
    """
    for role, name in columns.items():
        if name not in names:
            raise InputError(
                f"{place}: there is no column '{name}' for the {role}.{did_you_mean(name, names)} The columns are "
                f"{', '.join(names)}."
            )
    roles: dict[str, str] = {}
    for role, name in columns.items():
        if (other := roles.setdefault(name, role)) != role:
            raise InputError(f"{place}: the column '{name}' cannot be both {other} and {role}. Name one for each.")
    lower = {name.lower(): name for name in names}
    if "text" not in columns:
        found = next((lower[name] for name in TEXTS if name in lower and lower[name] not in roles), None)
        if found is not None:
            roles[found] = "text"
        elif (pair := pair_of(names)) is not None and pair[0] not in roles:
            roles[pair[0]] = "text"
            if "second" not in columns:
                roles.setdefault(pair[1], "second")
        else:
            raise InputError(
                f"{place}: no column is called {', '.join(TEXTS)}, and no two {' or '.join(map(' and '.join, PAIRS))}; "
                f"there are {', '.join(names)}. Say which "
                f"holds the text of a whole example, {reader}:text=NAME:{path.name}, or its two texts, "
                f"{reader}:text=NAME,second=NAME:{path.name}. A table of a word a row is read "
                "from a DataFrame (columns sentence and word) or as columns behind tabs."
            )
    for name in LABELS:
        if name not in columns and name in lower:
            roles.setdefault(lower[name], name)
    return roles


def pair_of(names: Iterable[str]) -> tuple[str, str] | None:
    """Return the two columns that are called as two texts of a row are."""
    lower = {name.lower(): name for name in names}
    return next(((lower[one], lower[other]) for one, other in PAIRS if one in lower and other in lower), None)


def record_of(row: Mapping[str, Any], roles: Mapping[str, str], where: str) -> dict[str, Any] | None:
    """Return a row as a record for :func:`~probekit.corpus.records.example_from`; None where it lacks a text.

    Raises
    ------
    InputError
        A text that is neither a string nor words.
    """
    columns = sorted(
        (name for name in roles if roles[name] in TEXT_ROLES), key=lambda name: TEXT_ROLES.index(roles[name])
    )
    others = {roles.get(name, name): value for name, value in row.items() if name not in columns}
    return with_words(others, [row.get(name) for name in columns], where)


def lacking(roles: Mapping[str, str]) -> str:
    """Return what rows are called that are left out for want of a text."""
    return "rows without both of their texts" if "second" in roles.values() else "rows without text"


def roles_remark(roles: Mapping[str, str], names: Sequence[str]) -> str:
    """Return what was taken for what, in a line."""
    taken = " ".join(f"{role}={name}" for name, role in roles.items())
    others = [name for name in names if name not in roles]
    return f"columns: {taken}" + (f"; annotations {', '.join(others)}" if others else "")


def check_options(given: Mapping[str, str], known: Sequence[str], reader: str) -> None:
    """Refuse options that are not known, or an encoding that Python does not know.

    Raises
    ------
    UsageError
    """
    if unknown := [name for name in given if name not in known]:
        raise UsageError(
            f"The reader '{reader}' takes {', '.join(known)}. Got '{unknown[0]}'.{did_you_mean(unknown[0], known)}"
        )
    if (encoding := given.get("encoding")) is not None:
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise UsageError(
                f"The encoding '{encoding}' is not known. Write utf-8, utf-16, latin-1, cp1252 ..."
            ) from None
