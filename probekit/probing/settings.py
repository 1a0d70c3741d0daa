"""What a probing run was asked for, as one frozen value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from probekit.errors import UsageError

MOST_SEEDS = 1000
"""Draws of the control task, all of which are in memory at once."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of :func:`~probekit.probing.sweep.probe`, checked.

    Attributes
    ----------
    task : str
    layers : "all", str or sequence
    pool, pair, estimator : str
    control_seeds : int
        Draws of the control task.
    seed : int
        Of control labels, resamples, and fits that have one.
    resamples : int
        Of the bootstrap.
    fast, strict : bool
    ranks : tuple of int
        Of the projections of a task over trees.
    max_ram : float or None
        GB for one layer; a larger one lies in temporary files.
    device : str
    also : tuple of str
        Analyses that ride beside the study.
    drop_repeated : bool
        Leave out dev and test examples that repeat a training example.
    """

    task: str = "pos"
    layers: str | Sequence[int | str] = "all"
    pool: str = "mean"
    pair: str = "concat"
    estimator: str = "logistic"
    control_seeds: int = 1
    seed: int = 0
    resamples: int = 1000
    fast: bool = False
    strict: bool = False
    ranks: tuple[int, ...] = ()
    max_ram: float | None = None
    device: str = "auto"
    also: tuple[str, ...] = ()
    drop_repeated: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.control_seeds <= MOST_SEEDS:
            raise UsageError(
                f"The `control_seeds` option must be at least 0 and at most {MOST_SEEDS}. Got {self.control_seeds:.6g}."
            )
        if self.max_ram is not None and not self.max_ram > 0:
            raise UsageError(f"The `max_ram` option must be above 0 GB. Got {self.max_ram:g}.")
        if any(rank < 1 for rank in self.ranks) or len(set(self.ranks)) < len(self.ranks):
            raise UsageError(
                f"The `ranks` option must be different whole numbers from 1, like 8,64. Got {list(self.ranks)}."
            )
        if repeated := [name for place, name in enumerate(self.also) if name in self.also[:place]]:
            raise UsageError(f"The `also` option names '{repeated[0]}' twice. Name each analysis once.")

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        layers = self.layers if isinstance(self.layers, str) else list(self.layers)
        return {**asdict(self), "layers": layers, "also": list(self.also), "ranks": list(self.ranks)}
