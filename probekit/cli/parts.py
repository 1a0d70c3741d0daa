"""``--shard i/n``: one part of an extraction, on the command line.

Enters: what was typed. Leaves: the part, and the command that completes the cache.
"""

from __future__ import annotations

import shlex

from probekit.errors import UsageError


def without_shard(command: str | None) -> str | None:
    """Return the command line without ``--shard``: what completes the cache, whatever part began it."""
    if command is None:
        return None
    kept: list[str] = []
    words = iter(shlex.split(command))
    for word in words:
        if word == "--shard":
            next(words, None)
        elif not word.startswith("--shard="):
            kept.append(word)
    return shlex.join(kept)


def parse_shard(text: str | None) -> tuple[int, int] | None:
    """Return (i, n) of ``i/n``, counted from 1.

    Raises
    ------
    UsageError
    """
    if text is None:
        return None
    number, slash, of = text.partition("/")
    plain = slash and all(part.isdecimal() and len(part) <= 9 for part in (number, of))
    if not (plain and 1 <= int(number) <= int(of)):
        raise UsageError(f"The `shard` option must be i/n with 1 <= i <= n, like 1/4. Got '{text:.60}'.")
    return int(number), int(of)
