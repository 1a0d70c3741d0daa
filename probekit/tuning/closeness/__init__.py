"""What keeps a network that trains close to the pretrained one: one file each.

Enters: the network before its first step (:class:`Pretrained`), options. Leaves: a
:class:`~probekit.tuning.auxiliary.pulling.Penalty`, built once a run, also of one that goes on from a checkpoint,
always on pretrained values. A file sets ``CLOSENESS = Closeness(name, build, help)``; it is its own registration.

How the loop calls it: of every micro-batch in which the body trains it takes ``loss(ran)``, a sum, over ``counted`` of
the examples of the whole step, and adds that to the loss of the task; when the gradients of a step are there, before
they are clipped, ``pull(parameters)`` adds that of a penalty on weights, once a step. Both are logged together under
the name of the member. Surprise: new parameters (the head, modules) have no pretrained value, and are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit.errors import UsageError
from probekit.registry import Registry
from probekit.tuning.options import bound

if TYPE_CHECKING:
    from torch import Tensor

    from probekit.tuning.auxiliary.pulling import Penalty
    from probekit.tuning.network.feed import Feed
    from probekit.tuning.network.network import Network
    from probekit.tuning.plan import TunePlan


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A run before its first step.

    Attributes
    ----------
    network : Network
        To be left as it is, modes and gradients too; what is kept of it must be copied.
    feed : Feed
        Lays out batches of its targets.
    plan : TunePlan
    folder : Path
        Of the run.
    """

    network: Network
    feed: Feed
    plan: TunePlan
    folder: Path

    def values(self) -> dict[str, Tensor]:
        """Return copies of the pretrained parameters that train at some time, by their names in the network."""
        own = self.network.pretrained(self.plan.depths)
        return {name: parameter.detach().clone() for name, parameter in own.items()}


@dataclass(frozen=True, slots=True)
class Closeness:
    """A way to stay close.

    Attributes
    ----------
    name : str
    build : callable
        ``build(pretrained, **options)`` gives a penalty; options are keyword-only, the strength the first.
    help : str
        One line, with the paper.
    holds : {"weights", "states"}
        Weights of the model itself; or what it says, which modules in frozen blocks change too.
    corpora : tuple of str
        Options that name a corpus.
    """

    name: str
    build: Callable[..., Penalty]
    help: str
    holds: str = "weights"
    corpora: tuple[str, ...] = ()

    def bind(self, options: Mapping[str, Any]) -> Callable[..., Penalty]:
        """Return ``build(pretrained)`` under options.

        Raises
        ------
        UsageError
            An option that this member does not have, or a value that is not of its kind.
        """
        return bound(self.build, f"closeness '{self.name}'", options)

    def check(self, plan: TunePlan) -> None:
        """Refuse a plan of which nothing trains that this member holds.

        Raises
        ------
        UsageError
        """
        if self.holds == "weights" and not plan.train:
            raise UsageError(
                f"No weight of the model itself trains (train=), so '{self.name}' holds nothing. Leave it out, or set "
                "train."
            )
        if min(plan.depths) > plan.keep:
            raise UsageError(
                f"Nothing of the model itself trains (train=), so '{self.name}' holds nothing. Leave it out."
            )


CLOSENESS = Registry("closeness", Closeness, attribute="CLOSENESS", group="probekit.closeness", home=__name__)


def check_close(plan: TunePlan) -> None:
    """Refuse a plan with closeness of which nothing trains that is held; to be asked before anything runs.

    Raises
    ------
    UsageError
    """
    for choice in plan.close:
        get_closeness(choice.name).check(plan)


def get_closeness(name: str) -> Closeness:
    """Find a member by name."""
    return CLOSENESS.get(name, "close")
