"""What is shown of a run while it trains: a table that grows where a person watches, else a line an epoch.

Enters: moments of a run. Leaves: text on stderr: epoch, step, loss, score of dev, the best so far, tokens a second, and
the rate of every depth that trains.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from probekit.cli.output import say

if TYPE_CHECKING:
    from rich.console import RenderableType

    from probekit.tuning.training.watching import Moment, Watcher

SHOWN = 12
"""Epochs that the table shows; those before them have gone by."""


class TrainingView:
    """Numbers of a run so far, as text.

    Parameters
    ----------
    title : str
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.epochs: list[tuple[str, ...]] = []
        self.metric, self.rates, self.share = "dev", "", 0.0
        self._losses: list[float] = []
        self._now: tuple[str, ...] | None = None

    def see(self, moment: Moment) -> tuple[str, ...]:
        """Take a moment in; return its cells."""
        from probekit.tuning.training.watching import rates_in_words

        at = moment.at
        best = "" if at.best is None else f"{at.best:.4f} (epoch {at.best_epoch})"
        speed, step = f"{moment.tokens_per_second:,.0f}", f"{at.step:,}/{moment.steps:,}"
        self.share = moment.share
        if moment.dev is None:
            self._losses.append(moment.row["loss"])
            self.rates = rates_in_words(moment.row["rates"])
            epoch = f"{moment.row['epoch'] + 1}/{moment.epochs}"
            self._now = (epoch, step, f"{moment.row['loss']:.4f}", "", best, speed)
            return self._now
        self.metric, value = f"dev {moment.dev[0]}", moment.dev[1]
        loss = f"{sum(self._losses) / len(self._losses):.4f}" if self._losses else ""
        cells = (f"{at.epoch}/{moment.epochs}", step, loss, f"{value:.4f}", best, speed)
        self.epochs.append(cells)
        self._now, self._losses = None, []
        return cells

    def line(self, cells: tuple[str, ...]) -> str:
        """Return what is said of an epoch where nobody watches."""
        epoch, step, loss, dev, best, speed = cells
        return (
            f"epoch {epoch}  step {step}  loss {loss}  {self.metric} {dev}  best {best}  {speed} tokens/s  "
            f"rates {self.rates}"
        )

    def __rich__(self) -> RenderableType:
        """Return the table as it is now."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name in ("epoch", "step", "loss", self.metric, "best so far", "tokens/s"):
            table.add_column(name, justify="right", no_wrap=True)
        for cells in [*self.epochs, *([self._now] if self._now else [])][-SHOWN:]:
            table.add_row(*cells)
        below = f"rate by depth: {self.rates}" if self.rates else "measuring what is read"
        return Group(Text(f"{self.title}  {self.share:.0%}"), table, Text(below))


@contextmanager
def training_shown(title: str, *, quiet: bool = False) -> Iterator[Watcher | None]:
    """Yield what watches a run; None where nothing is to be said.

    Parameters
    ----------
    title : str
    quiet : bool
    """
    if quiet:
        yield None
        return
    view = TrainingView(title)
    if not sys.stderr.isatty():

        def log(moment: Moment) -> None:
            cells = view.see(moment)
            if moment.dev is not None:
                say(f"{title}  {view.line(cells)}")

        yield log
        return
    from rich.console import Console
    from rich.live import Live

    with Live(view, console=Console(stderr=True), refresh_per_second=4):

        def watch(moment: Moment) -> Any:
            view.see(moment)

        yield watch
