"""An edit: a change to a running model at one place, as plain data.

Enters: what to change, or JSON. Leaves: frozen :class:`Edit` objects, their JSON and their digest, which covers the
bytes of the files that they name and not where these lie. Nothing here sees a model. Surprise: several edits at one
place act in the order in which they are given, and the digest knows it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from probekit import plain
from probekit.errors import InputError, UsageError, did_you_mean
from probekit.models.sources.digests import file_digest
from probekit.sites import ROUTER, WEIGHTS, site_of
from probekit.storage.strict import canonical

ZERO, MEAN, RESAMPLE, PROJECT_OUT, ADD, PATCH = "zero", "mean", "resample", "project-out", "add", "patch-from"
ACTIONS = (ZERO, MEAN, RESAMPLE, PROJECT_OUT, ADD, PATCH)
NEEDS = {MEAN: "values", RESAMPLE: "values", PATCH: "values", PROJECT_OUT: "subspace", ADD: "subspace"}
"""The file without which an action has nothing to put there."""
FILES = ("subspace", "values")


@dataclass(frozen=True, slots=True)
class Edit:
    """A change at one place.

    Attributes
    ----------
    site : str
        As reports write it: ``3``, ``3.heads``, ``decoder:2.mlp``.
    what : str
        ``zero``; ``mean`` of the rows of ``values``; ``resample``: a row of ``values`` for every token, drawn by the
        seed and by what the row reads, so that it does not depend on the batch; ``project-out`` a subspace; ``add``
        its directions; ``patch-from`` what another run had there.
    units : tuple of int or None
        Only these places of the vector; None: all.
    heads : tuple of int or None
        Only these heads, from 0; at sites of heads.
    positions : tuple of int or None
        Only these tokens of every row, from 0; from the end if negative; None: all. Pads are never changed.
    subspace : str or None
        A safetensors file of ``directions`` [k, width], maybe with their ``mean`` [width], and with the ``duals``
        [k, width] that tell how much of each there is (an oblique projection, as LEACE's); without these the directions
        are made orthonormal. Of zero, mean, resample and patch-from it takes what lies in the subspace.
    values : str or None
        A safetensors file of ``values`` [rows, width]; for patch-from ``values`` [rows, places, width] and the ``ids``
        [rows, places] of the rows that they stand in for, -1 behind their end.
    strength : float
        The change is multiplied by it; at 0 nothing happens.
    seed : int
        Of what is drawn.

    References
    ----------
    Vig et al. 2020, https://arxiv.org/abs/2004.12265 (interventions); Elazar et al. 2021,
    https://arxiv.org/abs/2006.00995 (projecting out)
    """

    site: str
    what: str = ZERO
    units: tuple[int, ...] | None = None
    heads: tuple[int, ...] | None = None
    positions: tuple[int, ...] | None = None
    subspace: str | None = None
    values: str | None = None
    strength: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        site = site_of(self.site)
        if site.kind in (WEIGHTS, ROUTER):
            raise UsageError(f"No edit is made at '{site.label}'. Edit heads, which are made from attention weights.")
        object.__setattr__(self, "site", str(site.label))
        object.__setattr__(self, "what", plain.choice(self.what, "what", ACTIONS))
        for name in ("units", "heads", "positions"):
            if (some := getattr(self, name)) is not None:
                object.__setattr__(self, name, _numbers(some, name, signed=name == "positions"))
        for name in FILES:
            if (file := getattr(self, name)) is not None:
                object.__setattr__(self, name, str(plain.path(file, name)))
        strength = plain.as_real(self.strength)
        if strength is None:
            raise plain.refused("strength", "a number", self.strength)
        object.__setattr__(self, "strength", float(strength))
        object.__setattr__(self, "seed", plain.whole(self.seed, "seed", least=0))
        needed = NEEDS.get(self.what)
        if needed is not None and getattr(self, needed) is None:
            raise UsageError(f"An edit that does '{self.what}' needs the `{needed}` option: a safetensors file.")
        if self.values is not None and needed != "values":
            raise UsageError(f"An edit that does '{self.what}' takes no `values`.")
        if self.units is not None and self.heads is not None:
            raise UsageError("An edit changes `units` or `heads`, not both: heads are units side by side.")

    def to_json(self) -> dict[str, Any]:
        """Return the fields that are set, as plain data."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        kept = {name: value for name, value in values.items() if value is not None}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Edit:
        """Return the edit that plain data describes.

        Raises
        ------
        UsageError
            A field is unknown, missing or of another kind.
        """
        known = [field.name for field in fields(cls)]
        unknown = [name for name in data if name not in known]
        if unknown:
            hint = did_you_mean(unknown[0], known)
            raise UsageError(f"An edit has the fields {', '.join(known)}. Got '{unknown[0]:.60}'.{hint}")
        if "site" not in data:
            raise UsageError("An edit needs a site, like 3 or 3.heads. Got none.")
        return cls(**data)

    def identity(self) -> dict[str, Any]:
        """Return what decides what the edit does: its fields, the files by the digests of their bytes."""
        named = self.to_json()
        digests = {name: file_digest(_existing(Path(named[name]), name)) for name in FILES if name in named}
        return {**named, **digests}


def edits_digest(edits: Sequence[Edit]) -> str:
    """Return the sha256 over some edits, in their order."""
    return hashlib.sha256(canonical({"edits": [edit.identity() for edit in edits]})).hexdigest()


def read_edits(given: str | os.PathLike[str] | Iterable[Any]) -> tuple[Edit, ...]:
    """Read edits: JSON as text or the file that holds it, of one edit or of a list; or a list of edits and mappings.

    Raises
    ------
    UsageError, InputError
        Naming what is no edit.
    """
    if isinstance(given, str | os.PathLike):
        text = str(given)
        where = "The edits on the command line"
        if not text.lstrip().startswith(("{", "[")):
            path = _existing(Path(given), "edits")
            text, where = path.read_text(encoding="utf-8"), str(path)
        try:
            given = json.loads(text)
        except ValueError as error:
            raise InputError(f"{where} are no JSON: {error}.") from None
    entries = [given] if isinstance(given, Edit | Mapping) else plain.listed(given, "edits", "a list of edits")
    found = []
    for entry in entries:
        if not isinstance(entry, Edit | Mapping):
            raise UsageError(f"An edit is an object with a site and what to do there. Got {entry!r:.60}.")
        found.append(entry if isinstance(entry, Edit) else Edit.from_json(entry))
    return tuple(found)


def _numbers(some: Any, name: str, *, signed: bool) -> tuple[int, ...]:
    wanted = "whole numbers" if signed else "whole numbers from 0"
    numbers = plain.wholes(some, name, wanted)
    if not numbers or (not signed and min(numbers) < 0):
        raise plain.refused(name, wanted, some)
    return tuple(sorted(set(numbers)))


def _existing(path: Path, name: str) -> Path:
    if not path.is_file():
        raise InputError(f"There is no file {path}, which the `{name}` of an edit names.")
    return path
