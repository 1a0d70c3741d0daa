"""Why a field of a plan is what it is: in words, with the numbers behind them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from probekit import plain
from probekit.tuning.checking import named, real

Evidence = float | int | tuple[float | int, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a field is what it is.

    Attributes
    ----------
    field : str
        Its dotted name: ``read.layers``.
    text : str
        In words.
    evidence : mapping
        The numbers behind it, by name: one, or a list of them.
    """

    field: str
    text: str
    evidence: Mapping[str, Evidence] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "field", named(self.field, "why.field"))
        object.__setattr__(self, "text", named(self.text, "why.text"))
        wanted = "numbers by name"
        given = plain.one_of(self.evidence, "why.evidence", Mapping, wanted)
        object.__setattr__(self, "evidence", {str(key): _evidence(given[key]) for key in sorted(given)})

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        numbers = {key: list(value) if isinstance(value, tuple) else value for key, value in self.evidence.items()}
        return {"field": self.field, "text": self.text, "evidence": numbers}


def _evidence(value: Any) -> Evidence:
    if isinstance(value, list | tuple):
        return tuple(_number(one) for one in value)
    return _number(value)


def _number(value: Any) -> float | int:
    whole = plain.as_whole(value)
    return real(value, "why.evidence", "finite", lambda _: True) if whole is None else whole
