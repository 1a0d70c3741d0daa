"""What keeps a network that trains close to the pretrained one: one file each.

Enters: the network before its first step (:class:`Pretrained`), options. Leaves: a :class:`Penalty`, built once a run,
also of one that goes on from a checkpoint, always on pretrained values. A file sets ``CLOSENESS = Closeness(name,
build, help)``; it is its own registration.

How the loop calls it: for every micro-batch of a step it takes ``penalty(network, batch, step)``, times the share of
the step's targets that the batch holds, adds it to the loss of the task before the gradient is taken, and logs the sum
over the step under the name of the member. So a penalty of the weights alone counts once a step, however the step is
cut, and one of a batch returns the mean over its targets. Surprise: new parameters (the head, modules) have no
pretrained value; ``pretrained.values`` leaves them out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from probekit.registry import Registry
from probekit.tuning.options import bound

if TYPE_CHECKING:
    from torch import Tensor

    from probekit.tuning.feed import Feed
    from probekit.tuning.layout import ExampleBatch
    from probekit.tuning.network import Network
    from probekit.tuning.plan import TunePlan


class Penalty(Protocol):
    """What is added to the loss."""

    def penalty(self, network: Network, batch: ExampleBatch, step: int) -> Tensor:
        """Return a number, 0 or more, with what its gradient needs; what is frozen takes no part in it.

        Parameters
        ----------
        network : Network
            As it is at this step, depths that train in training mode.
        batch : ExampleBatch
        step : int
            From 0.
        """
        ...


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
    """

    network: Network
    feed: Feed
    plan: TunePlan

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
        ``build(pretrained, **options)`` gives a :class:`Penalty`; options are keyword-only, the strength the first.
    help : str
        One line, with the paper.
    """

    name: str
    build: Callable[..., Penalty]
    help: str

    def bind(self, options: Mapping[str, Any]) -> Callable[..., Penalty]:
        """Return ``build(pretrained)`` under options.

        Raises
        ------
        UsageError
            An option that this member does not have, or a value that is not of its kind.
        """
        return bound(self.build, f"closeness '{self.name}'", options)


CLOSENESS = Registry("closeness", Closeness, attribute="CLOSENESS", group="probekit.closeness", home=__name__)


def get_closeness(name: str) -> Closeness:
    """Find a member by name."""
    return CLOSENESS.get(name, "close")
