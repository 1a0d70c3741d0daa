"""Trackers that are told of every step and epoch: tensorboard, trackio, wandb, as accelerate speaks to them.

Enters: names, a run's folder, its plan. Leaves: a watcher. Surprise: a tracker that fails while a run trains is left
alone from then on, and that is said, since a run is worth more than a picture of it; one that cannot be begun is an
error, since nothing is lost then. What trackers print is kept off stdout, where the result goes.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from probekit.errors import UsageError, did_you_mean
from probekit.tuning.training.watching import Moment

TRACKERS = ("tensorboard", "trackio", "wandb")


def check_trackers(names: Sequence[str]) -> None:
    """Refuse a tracker that is not known or not installed.

    Raises
    ------
    UsageError
    """
    for name in names:
        if name not in TRACKERS:
            hint = did_you_mean(name, TRACKERS)
            raise UsageError(f"The `report_to` option must be one of {', '.join(TRACKERS)}. Got '{name}'.{hint}")
        if importlib.util.find_spec(name) is None:
            raise UsageError(
                f"The `report_to` option names {name}, which is not installed: pip install {name}, or leave it out."
            )


class Trackers:
    """Trackers of one run, to be entered and left.

    Parameters
    ----------
    names : sequence of str
        Of :data:`TRACKERS`.
    folder : Path
        Of the run; a tracker of files writes there.
    config : mapping
        What they are told of the run.
    told : callable, optional
        Called with what a person must know.

    Attributes
    ----------
    remarks : list of str
        Which of them failed, and why.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        folder: Path,
        config: Mapping[str, Any],
        told: Callable[[str], None] | None = None,
    ) -> None:
        check_trackers(names)
        self.names, self.folder, self.config, self.told = tuple(dict.fromkeys(names)), folder, config, told
        self.remarks: list[str] = []
        self._open: dict[str, Any] = {}

    def __enter__(self) -> Trackers:
        """Begin.

        Raises
        ------
        UsageError
            One cannot be begun.
        """
        for name in self.names:
            try:
                with _off_stdout():
                    self._open[name] = tracker = _made(name, self.folder)
                    tracker.start()
                    tracker.store_init_configuration(_flat(self.config))
            except Exception as error:  # whatever the code of a tracker raises
                self._open.pop(name, None)
                self._finish()
                raise UsageError(
                    f"The tracker {name} cannot be begun: {type(error).__name__}: {error}. Mend that, or leave out "
                    f"--report-to {name}."
                ) from error
        return self

    def __exit__(self, *raised: object) -> None:
        """End, however the run does."""
        self._finish()

    def see(self, moment: Moment) -> None:
        """Tell all of a moment; it is a watcher."""
        if self._open:
            values = _values(moment)
            self._each(lambda name, tracker: tracker.log(values, step=moment.at.step))

    def _finish(self) -> None:
        # Not accelerate's end where the module has its own: trackio would end, and say so, once more at exit.
        self._each(lambda name, tracker: getattr(sys.modules.get(name), "finish", tracker.finish)())
        self._open.clear()

    def _each(self, deed: Callable[[str, Any], object]) -> None:
        for name, tracker in list(self._open.items()):
            try:
                with _off_stdout():
                    deed(name, tracker)
            except Exception as error:  # whatever the code of a tracker raises: the run goes on
                del self._open[name]
                said = f"The tracker {name} failed and is told nothing more: {type(error).__name__}: {error}."
                self.remarks.append(said)
                if self.told is not None:
                    self.told(said)


def _made(name: str, folder: Path) -> Any:
    """Return accelerate's tracker of a name; that of files writes into the folder ``tracked``."""
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    kind = LOGGER_TYPE_TO_CLASS[name]
    return kind("tracked", folder) if kind.requires_logging_directory else kind("probekit")


def _values(moment: Moment) -> dict[str, float]:
    """Return the numbers of a moment by the names that trackers show."""
    if moment.dev is not None:
        metric, value = moment.dev
        return {f"dev_{metric}": value, "epoch": float(moment.at.epoch)}
    row = moment.row
    values = {"loss": row["loss"], "norm": row["norm"], "tokens_per_second": moment.tokens_per_second}
    return {**values, **{f"rate/{depth}": rate for depth, rate in row["rates"].items()}}


@contextlib.contextmanager
def _off_stdout() -> Any:
    """Let what a tracker prints go to stderr."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def _flat(config: Mapping[str, Any], before: str = "") -> dict[str, str | float | int | bool]:
    """Return nested plain data as trackers take it: ``rate.peak``."""
    out: dict[str, str | float | int | bool] = {}
    for key, value in config.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            out.update(_flat(value, f"{name}."))
        else:
            out[name] = value if isinstance(value, str | float | int | bool) else str(value)
    return out
