"""What is run to judge a plan: cells, and the line that a run of one comes to.

Enters: the facts of a model, the cell of a plan. Leaves: the cells of the grid and of the rivals, plain data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

from probekit.errors import InputError
from probekit.tuning.facts import ModelFacts
from probekit.tuning.plans import make_plan

DEVELOPMENT, ASIDE = "development", "aside"
PARTS = (DEVELOPMENT, ASIDE)
"""Tasks on which rules are made, and those on which they are judged."""
DRAWS = 3
SOME = 2
"""Blocks that the cells train which train neither none nor all."""
LATER = {"data", "model"}
"""Fields that lines of before there were such fields lack."""


class Cell(NamedTuple):
    """Blocks kept, the highest of which is read, and depths trained."""

    keep: int
    train: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one run came to.

    Attributes
    ----------
    task : str
        With the corpus that it is asked of.
    part : {"development", "aside"}
    n : int
        Training examples.
    seed : int
    keep, train
        The cell.
    planned : bool
        Whether the report's plan was run, with its rates; else what the catalogue trains at.
    plan : str
        The sha256 of the plan that was run.
    metric : str
    dev, test : float
    seconds, extraction_seconds, probing_seconds : float
        Of training, of the cache it read from, of the report it was planned by.
    profiles : mapping of str to mapping of str to float
        Of a plan that was made from a report: by each name of :data:`~probekit.tuning.verdict.profiles.PROFILES` that
        the report has a value by layer, greater is better; else empty.
    data : str
        The sha256 of the targets that were trained on and scored; empty in a line that does not say it.
    model : str
        The sha256 of the weights that it started from; empty in a line that does not say it.
    """

    task: str
    part: str
    n: int
    seed: int
    keep: int
    train: tuple[int, ...]
    planned: bool
    plan: str
    metric: str
    dev: float
    test: float
    seconds: float
    extraction_seconds: float = 0.0
    probing_seconds: float = 0.0
    profiles: Mapping[str, Mapping[str, float]]
    data: str = ""
    model: str = ""

    @property
    def cell(self) -> Cell:
        """The cell."""
        return Cell(self.keep, self.train)

    @property
    def all_seconds(self) -> float:
        """All that it cost."""
        return self.seconds + self.extraction_seconds + self.probing_seconds

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "train": list(self.train)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], where: str) -> Line:
        """Read what :meth:`to_json` gave.

        Raises
        ------
        InputError
            A field is missing or unknown; ``where`` is named.
        """
        names = [own.name for own in fields(cls)]
        if odd := sorted((set(names) ^ set(document)) - (LATER - set(document))):
            raise InputError(f"{where}: not a line of `tune --verify`: the field '{odd[0]}' is missing or unknown.")
        return cls(**{**document, "train": tuple(document["train"])})


def grid(n_layers: int) -> list[Cell]:
    """Return every depth with no block trained, the upper two, all that are kept; two of one or two are no cell."""
    cells = []
    for keep in range(1, n_layers + 1):
        cells.append(Cell(keep, ()))
        if keep > SOME:
            cells.append(Cell(keep, tuple(range(keep - SOME + 1, keep + 1))))
        cells.append(Cell(keep, tuple(range(1, keep + 1))))
    return cells


def rivals(cell: Cell, facts: ModelFacts) -> dict[str, list[Cell]]:
    """Return what is tuned without a report, as many blocks as a cell trains: the last, some at random, at even steps.

    Where it trains none, the last layer is read, and random and even steps would be the same.
    """
    k = sum(depth > 0 for depth in cell.train)

    def of(name: str) -> Cell:
        plan = make_plan(name, facts, "any")
        return Cell(plan.keep, plan.train)

    found = {"last": [of(f"top:{k}" if k else "head-only")], "full": [of("full")]}
    if k:
        found["random"] = [of(f"random:{k}:{draw}") for draw in range(DRAWS)]
        found["uniform"] = [of(f"uniform:{k}")]
    return found
