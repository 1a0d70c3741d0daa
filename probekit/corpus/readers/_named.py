"""Which of some named columns is the text, which are labels, ids, documents and splits: for tables of every kind.

Enters: the names of the columns, and what the user said of them. Leaves: a role for each that has one; any other
column is an annotation of its own name. Nothing is guessed where no column is called as a text is; that is an error
which lists them.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from pathlib import Path

from probekit.errors import InputError, UsageError, did_you_mean

TEXTS = ("words", "text", "sentence", "review", "content")
"""Names of the column that holds the text, the first of them that is there."""
LABELS = ("label", "id", "group", "split")


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
        A column that is not there, or none that is called as a text is.
    """
    for role, name in columns.items():
        if name not in names:
            raise InputError(
                f"{place}: there is no column '{name}' for the {role}.{did_you_mean(name, names)} The columns are "
                f"{', '.join(names)}."
            )
    roles = {name: role for role, name in columns.items()}
    lower = {name.lower(): name for name in names}
    if "text" not in columns:
        found = next((lower[name] for name in TEXTS if name in lower and lower[name] not in roles), None)
        if found is None:
            raise InputError(
                f"{place}: no column is called {', '.join(TEXTS)}; there are {', '.join(names)}. Say which "
                f"holds the text of a whole example, {reader}:text=NAME:{path.name}. A table of a word a row is read "
                "from a DataFrame (columns sentence and word) or as columns behind tabs."
            )
        roles[found] = "text"
    for name in LABELS:
        if name not in columns and name in lower:
            roles.setdefault(lower[name], name)
    return roles


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
