"""What a network learns from beside the targets of its task: one file each.

Enters: a run before its first step (:class:`SignalSpec`), options. Leaves: a
:class:`~probekit.tuning.auxiliary.signal_module.SignalModule`, which may have parameters of its own; they train with
what is new. A file sets ``SIGNAL = Signal(name, build, help)``; it is its own registration.

How the loop calls it: of every micro-batch of the task that ran it takes ``of_task(ran, examples)``. When those of a
step are through and before the optimizer moves, it takes ``batches(seed, step)``; of each ``outputs(network, batch)``
and ``loss(outputs, batch)``, the mean over the batch; adds the mean over the batches to the gradient, both times
``weight(step)``, and logs them so under the name of the member. A weight of 0 runs nothing. Surprise: the
order of a signal is a function of (seed, step), as that of the task is of (seed, epoch), so that a run that was killed
goes on with one number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probekit.registry import Registry
from probekit.tuning.options import bound

if TYPE_CHECKING:
    from probekit.tuning.auxiliary.signal_module import SignalModule
    from probekit.tuning.choices import SignalChoice
    from probekit.tuning.network.feed import Feed
    from probekit.tuning.network.network import Network
    from probekit.tuning.plan import TunePlan
    from probekit.tuning.readout.head_module import Judge
    from probekit.tuning.runs.folder import RunFolder


@dataclass(frozen=True, slots=True)
class SignalSpec:
    """What a signal is built from.

    Attributes
    ----------
    network : Network
        Before its first step; to be left as it is.
    feed : Feed
        Lays out batches of the task's own targets.
    plan : TunePlan
    weight : tuple of float, float
        At the first and at the last step.
    total : int
        Steps of the run.
    folder : RunFolder
        Of the run, for what is made once.
    """

    network: Network
    feed: Feed
    plan: TunePlan
    weight: tuple[float, float]
    total: int
    folder: RunFolder


@dataclass(frozen=True, slots=True)
class Signal:
    """A kind of signal.

    Attributes
    ----------
    name : str
    build : callable
        ``build(spec, **options)`` gives the module; options are keyword-only.
    help : str
        One line, with the paper.
    digest : callable, optional
        ``digest(options)`` gives the sha256 of what the options name beside corpora: a part of what makes two runs the
        same run.
    begin : callable, optional
        ``begin(network, options)`` changes with what weights a model starts, before anything is measured of it, and
        says how; called where the option ``start`` is set.
    corpora : tuple of str
        Options that name a corpus, or a task with its corpus (``TASK@CORPUS``).
    texts : bool
        It turns texts into tokens itself, as words: it has no use where a model is tuned on chats.
    around : callable, optional
        ``around(head, plan)`` gives the head that the signal puts in the place of the plan's, where it has a weight:
        it is part of the tuned model, and made anew where that is opened.
    """

    name: str
    build: Callable[..., SignalModule]
    help: str
    digest: Callable[[Mapping[str, Any]], str] | None = None
    begin: Callable[[Network, Mapping[str, Any]], str] | None = None
    corpora: tuple[str, ...] = ()
    texts: bool = False
    around: Callable[[Judge, TunePlan], Judge] | None = None

    def bind(self, options: Mapping[str, Any]) -> Callable[..., SignalModule]:
        """Return ``build(spec)`` under options.

        Raises
        ------
        UsageError
            An option that this signal does not have, or a value that is not of its kind.
        """
        return bound(self.build, f"signal '{self.name}'", options)


SIGNALS = Registry("signal", Signal, attribute="SIGNAL", group="probekit.signals", home=__name__)


def get_signal(name: str) -> Signal:
    """Find a signal by name."""
    return SIGNALS.get(name, "with")


def starting(choices: Iterable[SignalChoice]) -> list[SignalChoice]:
    """Return those of some signals that change with what weights a model starts."""
    return [one for one in choices if get_signal(one.name).begin is not None and one.options.get("start")]
