"""What is seen of a run while it trains: a :class:`Moment` behind every step and every epoch.

Enters: the row that is logged, and where the run is. Leaves: numbers for tables, trackers and progress. Who watches
changes nothing of what comes of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from probekit.tuning.training.state import At


@dataclass(frozen=True, slots=True)
class Moment:
    """A run behind a step, or behind an epoch.

    Attributes
    ----------
    row : mapping
        What the log has of it: of a step ``step``, ``epoch`` (from 0), ``loss``, ``rates`` by depth, ``norm``,
        ``tokens``, ``seconds``; of an epoch ``step``, ``epoch`` (how many are done) and ``dev``.
    at : At
        With the step, or the epoch, done.
    steps, epochs : int
        Of the whole run, if it does not stop early.
    """

    row: Mapping[str, Any]
    at: At
    steps: int
    epochs: int

    @property
    def dev(self) -> tuple[str, float] | None:
        """The metric of dev and its value, behind an epoch."""
        found = self.row.get("dev")
        return None if found is None else next(iter(found.items()))

    @property
    def share(self) -> float:
        """How much is done, from 0 to 1."""
        return self.at.step / self.steps

    @property
    def tokens_per_second(self) -> float:
        """Of the step; behind an epoch of the run so far."""
        tokens, seconds = self.row.get("tokens", self.at.tokens), self.row.get("seconds", self.at.seconds)
        return tokens / seconds if seconds else 0.0

    @property
    def note(self) -> str:
        """One line."""
        if self.dev is None:
            return f"epoch {self.row['epoch'] + 1}, loss {self.row['loss']:.4f}"
        return f"epoch {self.at.epoch}, dev {self.dev[0]} {self.dev[1]:.4f}"


Watcher = Callable[[Moment], None]


def rates_in_words(rates: Mapping[str, float]) -> str:
    """Return the rates of depths that train, equal ones of neighbours together: ``0-2: 1e-05, 3: 0.001``."""
    groups: list[list[Any]] = []
    for depth, rate in sorted((int(depth), rate) for depth, rate in rates.items()):
        if groups and groups[-1][2] == rate and groups[-1][1] == depth - 1:
            groups[-1][1] = depth
        else:
            groups.append([depth, depth, rate])
    return ", ".join(f"{low if low == high else f'{low}-{high}'}: {rate:.3g}" for low, high, rate in groups)
