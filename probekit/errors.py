"""The one exception family of probekit.

Every error a user can cause is a :class:`ProbekitError`; its class carries the exit code of the
command line, so that a script can tell a wrong option from a damaged cache. A message says what
happened, where (``file:line:column``), why, and what to do. Anything else that escapes is a bug
(exit code 1).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches


class ProbekitError(Exception):
    """Base of all errors a user can meet; never raised itself."""

    exit_code = 1
    kind = "error"


class UsageError(ProbekitError):
    """A wrong option, name or combination; no such model; the hub says no (401, 403, 404)."""

    exit_code = 2
    kind = "usage"


class InputError(ProbekitError):
    """Bad input data: a malformed corpus, a missing annotation, nothing to learn."""

    exit_code = 3
    kind = "input"


class CacheError(ProbekitError):
    """A cache that is damaged, incomplete, or made by something incompatible."""

    exit_code = 4
    kind = "cache"


class NumericError(ProbekitError):
    """NaN or infinity where a number was needed; batched differs from single."""

    exit_code = 5
    kind = "numeric"


class ResourceError(ProbekitError):
    """Disk full, out of memory, read-only folder, worker killed again and again."""

    exit_code = 6
    kind = "resource"


class NetworkError(ProbekitError):
    """The network is needed and cannot be had (offline, 5xx)."""

    exit_code = 7
    kind = "network"


def check_recordable(path: str | os.PathLike[str], error: type[ProbekitError] = UsageError) -> None:
    """Raise `error` at a path that is not UTF-8: no JSON can hold it, and every artefact names its source."""
    try:
        os.fspath(path).encode("utf-8")
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise error(f"{shown}: the name is not valid UTF-8, so no cache or report can record it. Rename it.") from None


def reason_of(error: BaseException) -> str:
    """Return what kind of error another package raised and the beginning of its words, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``Did you mean 'pos'?`` behind a space for a close name, else the empty string."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""
