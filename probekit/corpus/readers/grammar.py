"""The built-in language, ``grammar`` or ``grammar:n=2000,seed=1``: generated, deterministic, with gold annotations.

What enters is the number of sentences and a seed. Nothing is read; the record holds n and seed, and reopening
generates the same sentences again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from probekit.corpus.notes import Notes
from probekit.corpus.readers import Address, Reader
from probekit.errors import UsageError, did_you_mean
from probekit.example import SPLITS, Example

DEFAULTS = {"n": 10_000, "seed": 0}


def read(address: Address, notes: Notes) -> Iterable[Example]:
    """Generate the sentences."""
    from probekit.grammar import generate

    return generate(n=address.options["n"], seed=address.options["seed"])


def address(rest: str) -> Address:
    """Parse ``n=2000,seed=1``.

    Raises
    ------
    UsageError
        For another option, or a value that is not a whole number in range.
    """
    options = dict(DEFAULTS)
    for entry in filter(None, rest.split(",")):
        name, _, value = entry.partition("=")
        if name not in DEFAULTS:
            hint = did_you_mean(name, DEFAULTS)
            raise UsageError(f"The corpus 'grammar' has no option '{name}'.{hint} Write grammar:n=2000,seed=1.")
        if not (value.isascii() and value.isdigit() and len(value) < 10) or (name == "n" and int(value) == 0):
            raise UsageError(f"The option '{name}' of 'grammar' must be a whole number. Got '{value}'.")
        options[name] = int(value)
    return _address(options)


def restore(locations: tuple[str, ...], options: Mapping[str, Any]) -> Address:
    """Make the address that a record holds."""
    return _address({name: int(options.get(name, default)) for name, default in DEFAULTS.items()})


def _address(options: Mapping[str, int]) -> Address:
    changed = [f"-{name}{options[name]}" for name in DEFAULTS if options[name] != DEFAULTS[name]]
    return Address(
        (), options, "grammar" + "".join(changed), splits=lambda: SPLITS, splits_by="the grammar", licence="MIT"
    )


READER = Reader("grammar", read, address=address, restore=restore)
