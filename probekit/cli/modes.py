"""Options that are of one mode of a command alone: without it, or beside it, they are refused, never ignored."""

from __future__ import annotations

from collections.abc import Mapping

from probekit.errors import UsageError


def check_options(
    mode: str, *, given: bool, own: Mapping[str, object] | None = None, others: Mapping[str, object] | None = None
) -> None:
    """Refuse options that would have no effect: those of a mode without it, and those of others with it.

    Raises
    ------
    UsageError
    """
    for name, value in (own or {}).items():
        if value is not None and not given:
            raise UsageError(f"The `{name}` option is of --{mode}. Add that, or leave it out.")
    for name, value in (others or {}).items():
        if value is not None and given:
            raise UsageError(f"The `{name}` option has no effect with --{mode}. Leave one out.")
