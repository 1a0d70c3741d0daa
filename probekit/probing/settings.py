"""What a probing run was asked for, as one frozen value."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from probekit import plain
from probekit.devices import DEVICES
from probekit.errors import UsageError
from probekit.sites import Layers, parse_layers
from probekit.tasks import ProbeTask
from probekit.tasks.positions import AskedPosition, place_of

MOST_SEEDS = 1000
"""Draws of the control task, all of which are in memory at once."""
LARGEST_SEED = 2**62
"""What is drawn several times counts on from a seed, and ends below 2**63."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of :func:`~probekit.probe`, checked.

    Attributes
    ----------
    task : str or ProbeTask
    layers : "all" or tuple of int and "final"
        Given as :func:`~probekit.probe` takes them.
    pool, pair : str
    estimator : str or None
        None: that of the kind of task; see :func:`~probekit.probing.estimators.estimator_for`.
    control_seeds : int or None
        Draws of the control task; None: one, and none of a fast run.
    seed : int
        Of control labels, resamples, and fits that have one.
    resamples : int or None
        Of the bootstrap; None: 1,000, and 100 of a fast run.
    fast : bool
        Leave out what costs: tests between layers, the floors of words and of random weights, and by default the
        control and most resamples. A number that is given stands; the report says what was done.
    strict : bool
    ranks : tuple of int
        Of the projections of a task over trees.
    max_ram : float or None
        GB for one layer; a larger one lies in temporary files.
    device : str
    also : tuple of str
        Analyses beside the study.
    at : str or None
        Where in an example a question about the whole of it is read; see :mod:`probekit.tasks.positions`.
    metrics : tuple of str
        What labels are scored by besides what the task names.
    layers_together : "all" or tuple of int and "final"
        Layers that one more probe reads together; empty: none.
    drop_repeated : bool
        Leave out dev and test examples that repeat a training example.
    """

    task: str | ProbeTask = "pos"
    layers: Layers | str = "all"
    pool: str = "mean"
    pair: str = "concat"
    estimator: str | None = None
    control_seeds: int | None = None
    seed: int = 0
    resamples: int | None = None
    fast: bool = False
    strict: bool = False
    ranks: tuple[int, ...] = ()
    max_ram: float | None = None
    device: str = "auto"
    also: tuple[str, ...] = ()
    drop_repeated: bool = False
    metrics: tuple[str, ...] = ()
    layers_together: Layers | str = ()
    at: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.task, ProbeTask):
            self._set("task", plain.text(self.task, "task", "the name of a task, or a ProbeTask"))
        self._set("layers", parse_layers(self.layers, inside=True))
        if self.layers_together != ():
            self._set("layers_together", parse_layers(self.layers_together, inside=True))
        for name in ("pool", "pair"):
            self._set(name, plain.text(getattr(self, name), name))
        if self.at is not None:
            self._set("at", (place := place_of(plain.text(self.at, "at"))).name)
            if place.position.closing and self.pool != "mean":
                raise UsageError(
                    f"At '{self.at}' there is one token, so `pool` has nothing to choose. Leave out --pool {self.pool}."
                )
        if self.estimator is not None:
            self._set("estimator", plain.text(self.estimator, "estimator"))
        if self.control_seeds is not None:
            self._set("control_seeds", plain.whole(self.control_seeds, "control_seeds", least=0, most=MOST_SEEDS))
        self._set("seed", plain.whole(self.seed, "seed", least=0, most=LARGEST_SEED))
        if self.resamples is not None:
            self._set("resamples", plain.whole(self.resamples, "resamples", least=1))
        for name in ("fast", "strict", "drop_repeated"):
            self._set(name, plain.flag(getattr(self, name), name))
        different = "different whole numbers from 1, like 8,64"
        self._set("ranks", ranks := plain.wholes(self.ranks, "ranks", different))
        if any(rank < 1 for rank in ranks) or len(set(ranks)) < len(ranks):
            raise UsageError(f"The `ranks` option must be {different}. Got {list(ranks)}.")
        if self.max_ram is not None:
            room = plain.as_real(self.max_ram)
            if room is None or not room > 0:
                raise plain.refused("max_ram", "a number of GB above 0", self.max_ram)
            self._set("max_ram", room)
        self._set("device", plain.choice(self.device, "device", DEVICES))
        for name, what in (("also", "analysis"), ("metrics", "metric")):
            self._set(name, given := plain.texts(getattr(self, name), name))
            if repeated := [entry for place, entry in enumerate(given) if entry in given[:place]]:
                raise UsageError(f"The `{name}` option names '{repeated[0]}' twice. Name each {what} once.")

    @property
    def n_controls(self) -> int:
        """Draws of the control task that are made."""
        return int(not self.fast) if self.control_seeds is None else self.control_seeds

    @property
    def n_resamples(self) -> int:
        """Resamples of the bootstrap that are made."""
        return (100 if self.fast else 1000) if self.resamples is None else self.resamples

    @property
    def place(self) -> AskedPosition | None:
        """Where a question about a whole example is read; None: in all of its words."""
        return None if self.at is None else place_of(self.at)

    @property
    def pooling(self) -> str:
        """How the vector of a target comes about, for reports."""
        if self.place is None:
            return self.pool
        return self.place.name if self.place.position.closing else f"{self.pool} at {self.place.name}"

    def to_json(self) -> dict[str, Any]:
        """Return plain data, with the numbers of draws and resamples that are made."""
        layers = self.layers if isinstance(self.layers, str) else list(self.layers)
        task = self.task.name if isinstance(self.task, ProbeTask) else self.task
        plainly: dict[str, Any] = {"task": task, "layers": layers, "also": list(self.also), "ranks": list(self.ranks)}
        both = self.layers_together
        plainly |= {"layers_together": both if isinstance(both, str) else list(both)}
        plainly |= {"control_seeds": self.n_controls, "resamples": self.n_resamples, "metrics": list(self.metrics)}
        return {**asdict(replace(self, task=task)), **plainly}

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
