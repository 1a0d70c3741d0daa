"""What a view of neurons was asked for, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from probekit import plain
from probekit.errors import UsageError

ROWS = 20_000
"""Training targets that are used at most."""


@dataclass(frozen=True, slots=True)
class NeuronSettings:
    """Options of :func:`~probekit.viewing.neurons.run.view_neurons`, checked.

    Attributes
    ----------
    rankings : tuple of str or None
        None: every one.
    labels : tuple of str
        Whose best neurons are shown; none: the most frequent of training.
    n_labels : int
        How many, where none is named.
    keep : float
        Share of the score of all neurons that the smallest set keeps on dev.
    draws : int
        Random orders, and shuffles of the labels.
    rows : int
        Training targets at most; of more whole sentences are drawn.
    neurons : tuple of str
        Further neurons to describe, ``3:17``.
    top : int
        First neurons of two rankings that are compared.
    """

    rankings: tuple[str, ...] | None = None
    labels: tuple[str, ...] = ()
    n_labels: int = 6
    keep: float = 0.99
    draws: int = 5
    rows: int = ROWS
    neurons: tuple[str, ...] = ()
    top: int = 20

    def __post_init__(self) -> None:
        if self.rankings is not None:
            self._set("rankings", plain.texts(self.rankings, "rankings") or None)
        for name in ("labels", "neurons"):
            self._set(name, plain.texts(getattr(self, name), name))
        for name in ("n_labels", "draws", "rows", "top"):
            self._set(name, plain.whole(getattr(self, name), name, least=1))
        keep = plain.as_real(self.keep)
        if keep is None or not 0 < keep <= 1:
            raise plain.refused("keep", "a share above 0 and up to 1, like 0.99", self.keep)
        self._set("keep", keep)
        for written in self.neurons:
            _parsed(written)

    @property
    def asked(self) -> tuple[tuple[str, int], ...]:
        """Layer and number of the further neurons."""
        return tuple(map(_parsed, self.neurons))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


def _parsed(written: str) -> tuple[str, int]:
    """Read ``3:17``, ``3.mlp:17``, ``encoder:3:17``: the number stands behind the last colon."""
    layer, _, number = written.rpartition(":")
    if not layer or not number.isdecimal():
        raise UsageError(f"The `neurons` option must name neurons like 3:17 or 3.mlp:17, layer first. Got '{written}'.")
    return layer, int(number)
