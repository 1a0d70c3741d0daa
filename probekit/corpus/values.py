"""The values of annotations, brought to one form where they enter a corpus: :func:`normalised`.

What enters is what a reader, a frame, a dataset or a script gave; what leaves is plain Python. Numbers that are equal
are one value: 1.0 is 1, a number of NumPy is one of Python, NaN is None. ``head`` is the number of a word (0: the
root) or None, whether it was written ``3``, ``3.0`` or ``"3"``; ``feats`` is a mapping, whether it was one or is
written ``Number=Sing|Case=Nom``. Surprise: texts stay texts, for ``"1.10"`` may be a name and not a number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from probekit.errors import InputError
from probekit.example import NOTHING, FrozenDict

_NO_VALUE = ("", "_")
_NUMBER = re.compile(r"\s*(\d{1,9})(?:\.0*)?\s*", re.ASCII)
# Types of values that are as they shall be.
_NORMALISED = {str, int, bool, type(None), FrozenDict}
_FIT: Mapping[str, set[type]] = {"head": {int}, "feats": {FrozenDict}}


def plain(value: Any) -> Any:
    """Return a value of NumPy, Arrow or pandas as plain Python; their missing values as None."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return None if value != value else float(value)
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    # pandas' NA and NaT are singletons that no import is worth.
    return None if type(value).__name__ in ("NAType", "NaTType") else value


def as_number(value: Any) -> Any:
    """Return a number in the one form that all equal numbers have; anything else as it is.

    >>> as_number(1.0), as_number(1.5), as_number("1.0")
    (1, 1.5, '1.0')
    """
    return int(value) if isinstance(value, float) and value.is_integer() else value


def normalised(annotations: Mapping[str, Any], n: int, where: str) -> Mapping[str, Any]:
    """Bring the annotations of an example of n words to the one form of each.

    Parameters
    ----------
    annotations : mapping
        Of an :class:`Example`: a tuple speaks of each word, anything else of the whole example.
    n : int
    where : str
        Begins every message: ``"file:line: example 's1'"``.

    Returns
    -------
    mapping
        The same one where nothing had to be done.

    Raises
    ------
    InputError
        A head that is no word of the example, features that cannot be read.
    """
    changed = {}
    for name, value in annotations.items():
        if type(value) in _NORMALISED:
            continue
        if type(value) is not tuple:
            changed[name] = _normalised_value(value)
            continue
        normalise = _OF_NAME.get(name)
        if normalise is not None and not _is_fit(name, value, n):
            changed[name] = tuple(normalise(one, n, f"{where}: word {at}") for at, one in enumerate(value, 1))
        elif normalise is None and not _NORMALISED.issuperset(map(type, value)):
            changed[name] = tuple(map(_normalised_value, value))
    return {**annotations, **changed} if changed else annotations


def _normalised_value(value: Any) -> Any:
    """Return a value as plain Python, equal numbers in one form; containers keep what they hold."""
    if isinstance(value, list | tuple | Mapping):
        return value
    return as_number(plain(value))


def _is_fit(name: str, value: Sequence[Any], n: int) -> bool:
    """Tell, at the cost of a look, whether a column of such a name needs nothing done."""
    if name == "head" and value.count(None) == n:
        return True
    if not _FIT[name].issuperset(map(type, value)):
        return False
    return name != "head" or (min(value, default=0) >= 0 and max(value, default=0) <= n)


def _head(value: Any, n: int, where: str) -> int | None:
    value = plain(value)
    if value is None or value in _NO_VALUE:
        return None
    found: Any = as_number(value)
    if isinstance(value, str) and (written := _NUMBER.fullmatch(value)):
        found = int(written[1])
    if type(found) is not int:
        raise InputError(
            f"{where} has the head {value!r:.40}, which is no number of a word. Write 1 for the first word, 0 for the "
            "root, or call the column something else."
        )
    if not 0 <= found <= n:
        raise InputError(
            f"{where} has the head {found}, which is no word of the example (1 to {n}; 0 is the root). Correct it."
        )
    return found


def _feats(value: Any, n: int, where: str) -> Mapping[str, Any]:
    value = plain(value)
    if value is None or value in _NO_VALUE:
        return NOTHING
    if isinstance(value, Mapping):
        return FrozenDict((name, one) for name, one in value.items() if one is not None)
    pairs = [pair.partition("=") for pair in value.split("|")] if isinstance(value, str) else []
    if not pairs or not all(name and mark and one for name, mark, one in pairs):
        raise InputError(f"{where} has the features {value!r:.60}. Write Name=Value|Name=Value, or a mapping of them.")
    return FrozenDict((name, one) for name, _, one in pairs)


_OF_NAME: Mapping[str, Callable[[Any, int, str], Any]] = {"head": _head, "feats": _feats}
