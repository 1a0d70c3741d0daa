"""One number with its honesty: :class:`Measurement`, and how a layer is written.

A layer is an ``int`` (0 is the embedding output, i the raw output of block i), ``"final"`` (after
the model's final norm) or None (the number speaks of no layer: a floor). Encoder-decoders have two
stacks; their layers are written with the stack in front: ``"encoder:3"``, ``"decoder:final"``.
Surprise: a value that is not finite becomes None when the row is made, so that no file, table or
figure ever meets a NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from probekit import plain
from probekit.errors import InputError, UsageError
from probekit.sites import MOST_LAYERS, Layer, read_label
from probekit.storage.strict import kind_of

ROLES = ("estimator", "control", "floor", "difference", "companion")
"""What a score is to a report: the estimator's own; of control labels or random projections; what is reached without
what was learned; the estimator's less that of a control; an analysis beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One measured number and what is needed to believe it.

    Attributes
    ----------
    stage : str
        Which stage measured it (``probe``).
    task, model, corpus : str
        Names; the digests behind them are in the report's provenance.
    split : str
        ``dev`` rows are for choosing, ``test`` rows for reporting.
    layer : int, str or None
        ``3``, ``"final"``, ``"encoder:3"``; None for what no layer can change (a floor).
    method : str
        ``logistic``, ``mlp``, ``control``, ``selectivity``, ``majority``, ``word_type`` ...
    role : {"estimator", "control", "floor", "difference", "companion"}
        What the method is to the report, so that no table or figure need know its name. A floor without a layer holds
        for all of them.
    metric : str
        ``accuracy``, ``macro_f1`` ...
    value : float or None
        None: it cannot be computed (``note`` says why).
    low, high : float or None
        Ends of the interval of the given ``level``; None: no interval was asked for.
    level : float or None
        Coverage of the interval, 0.95 for 95 %.
    n : int or None
        Number of scored targets.
    n_groups : int or None
        Number of units the bootstrap resampled.
    unit : str or None
        What they are, ``document`` or ``sentence``: the interval speaks of new ones.
    strength : float or None
        What was chosen on dev: C in (0, inf], the inverse strength of a penalty; a weight decay; k.
    strength_name : str or None
        Which of these it is (``C``); None where there is no strength.
    pooling : str or None
        How the tokens of a span became one vector.
    seed : int or None
        The draw, where something is drawn; a convex fit has none.
    note : str
        What a reader must know before quoting the number.

    Examples
    --------
    >>> row = Measurement(stage="probe", task="pos", model="minilm", corpus="ewt", split="test", layer=3,
    ...                   method="logistic", role="estimator", metric="accuracy", value=0.94, low=0.93, high=0.95)
    >>> Measurement.from_json(row.to_json()) == row
    True
    """

    stage: str
    task: str
    model: str
    corpus: str
    split: str
    layer: Layer
    method: str
    role: str
    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    n: int | None = None
    n_groups: int | None = None
    unit: str | None = None
    strength: float | None = None
    strength_name: str | None = None
    pooling: str | None = None
    seed: int | None = None
    note: str = ""

    def __post_init__(self) -> None:
        for name in _TEXTS:
            object.__setattr__(self, name, _text(name, getattr(self, name)))
        for name in _NAMES:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _text(name, getattr(self, name)))
        for name in _REALS:
            object.__setattr__(self, name, _real(name, getattr(self, name)))
        for name in _COUNTS:
            object.__setattr__(self, name, _count(name, getattr(self, name)))
        object.__setattr__(self, "layer", check_layer(self.layer))
        if self.role not in ROLES:
            raise UsageError(f"role must be one of {', '.join(ROLES)}. Got {self.role!r}.")
        if self.strength is None:  # a name of nothing would say that one was chosen
            object.__setattr__(self, "strength_name", None)

    def to_json(self) -> dict[str, Any]:
        """Return a dict of the fields, in order, that strict JSON can carry."""
        row = {field.name: getattr(self, field.name) for field in fields(self)}
        if row["strength"] == math.inf:
            row["strength"] = "inf"
        return row

    @classmethod
    def from_json(cls, row: Mapping[str, Any], *, where: str = "a report row") -> Measurement:
        """Build a row from what :meth:`to_json` gave.

        Raises
        ------
        InputError
            A field is missing, unknown, or of the wrong type; ``where`` is named.
        """
        names = {field.name for field in fields(cls)}
        if not isinstance(row, Mapping):
            raise InputError(f"{where}: a report row must be a JSON object. Got {kind_of(row)}.")
        unknown = sorted(set(row) - names)
        if unknown:
            raise InputError(f"{where}: a report row has no field '{unknown[0]}'. Was it written by hand?")
        values = dict(row)
        if values.get("strength") == "inf":
            values["strength"] = math.inf
        try:
            return cls(**values)
        except (TypeError, UsageError) as error:
            reason = str(error).removeprefix("Measurement.__init__() ")
            raise InputError(f"{where}: not a report row: {reason}") from error


SLICE, OF_MAJORITY, LESS_REST = "slice:", " majority", " less the rest"
"""How the methods of rows of a slice begin, and how those end that are no score of the model on it."""

_TEXTS = ("stage", "task", "model", "corpus", "split", "method", "role", "metric", "note")
_NAMES = ("unit", "strength_name", "pooling")
_REALS = ("value", "low", "high", "level", "strength")
_COUNTS = ("n", "n_groups", "seed")


def check_layer(layer: Any) -> Layer:
    """Return the layer as written in reports, or raise UsageError."""
    if layer is None:
        return None
    if (site := read_label(layer)) is None:
        raise UsageError(
            f"layer must be a number from 0 to {MOST_LAYERS - 1}, 'final', 'encoder:3', 'decoder:final' or None. Got "
            f"{layer!r}."
        )
    return site.label


def _text(name: str, value: Any) -> str:
    if not isinstance(value := plain.scalar(value), str):
        raise UsageError(f"{name} must be a str. Got {value!r}.")
    return str.__str__(value)


def _real(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if (number := plain.as_real(value)) is None:
        raise UsageError(f"{name} must be a number or None. Got {value!r}.")
    finite = math.isfinite(number) or (name == "strength" and number == math.inf)
    return number if finite else None


def _count(name: str, value: Any) -> int | None:
    if value is None:
        return None
    if (number := plain.as_whole(value)) is None:
        raise UsageError(f"{name} must be a whole number or None. Got {value!r}.")
    return number
