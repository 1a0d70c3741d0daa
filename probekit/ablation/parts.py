"""What can be taken out of a model, part by part: heads, neurons, blocks, dimensions of the stream.

Enters: a loaded model, a kind of parts and the layers wanted. Leaves: a list of :class:`Part`, each the places that it
stands for. Surprise: a block is left out by its heads and its neurons; what the biases behind them add stays, as it
does not depend on the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from probekit import plain
from probekit.errors import UsageError
from probekit.models.architecture.sublayers import door_of
from probekit.sites import HEADS, LAYER, MLP, Site

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel

KINDS = ("heads", "units", "layers", "dims")
Removal = Mapping[Site, NDArray[np.bool_]]
"""Place -> which numbers of its vector are replaced, bool [width]."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part that can be left out.

    Attributes
    ----------
    name : str
        For people: ``3.heads 5``.
    places : tuple of (Site, width, first, stop)
        Which numbers of the vectors at some places it is.
    """

    name: str
    places: tuple[tuple[Site, int, int, int], ...]

    @property
    def sites(self) -> tuple[Site, ...]:
        """The places it touches."""
        return tuple(site for site, *_ in self.places)


def parts_of(
    loaded: LoadedModel, kind: str, layers: Sequence[int] | str | None = None, *, read: int | None = None
) -> list[Part]:
    """Return the parts of a model.

    Parameters
    ----------
    loaded : LoadedModel
        With its stacks, of which there is one.
    kind : {"heads", "units", "layers", "dims"}
        Units are the neurons of the MLP; dims are the numbers of the stream behind a block.
    layers : sequence of int or "all", optional
        Blocks, from 1 (of dims: layers, from 0); by default all, of dims the one in the middle.
    read : int, optional
        The layer that is read: no part is of a block above, and dims are by default of that layer.

    Raises
    ------
    UsageError
        No such layer, or the model has no such parts, with the reason.
    """
    plain.choice(kind, "parts", KINDS)
    stack = loaded.stacks[0]
    least = 0 if kind == "dims" else 1
    most = stack.n_layers if read is None else read
    chosen = range(least, most + 1) if layers is None or isinstance(layers, str) else layers
    if layers is None and kind == "dims":
        chosen = [stack.n_layers // 2 if read is None else read]
    if not len(chosen) or not all(least <= layer <= most for layer in chosen):
        above = "" if read is None else f": layer {read} is read, and nothing above it"
        raise UsageError(
            f"The `layers` of {kind} must be some of {least} to {most}, like 1,3 or 2-4{above}. Got "
            f"{', '.join(map(str, chosen)) or 'none'}."
        )
    return [part for layer in sorted(set(chosen)) for part in _of_layer(loaded, kind, layer)]


def _of_layer(loaded: LoadedModel, kind: str, layer: int) -> Iterator[Part]:
    stack = loaded.stacks[0]
    if kind == "dims":
        site = Site(LAYER, layer, stack.name)
        width = stack.widths[Site(LAYER, layer).tensor]
        yield from _singly(site, width, width)
        return
    heads, neurons = Site(HEADS, layer, stack.name), Site(MLP, layer, stack.name)
    if kind == "heads":
        door = door_of(loaded, heads)
        yield from _singly(heads, door.width, door.heads)
    elif kind == "units":
        width = door_of(loaded, neurons).width
        yield from _singly(neurons, width, width)
    else:
        widths = [(site, door_of(loaded, site).width) for site in (heads, neurons)]
        yield Part(f"block {layer}", tuple((site, width, 0, width) for site, width in widths))


def _singly(site: Site, width: int, count: int) -> Iterator[Part]:
    size = width // count
    for number in range(count):
        yield Part(f"{site.label} {number}", ((site, width, number * size, (number + 1) * size),))


def removal_of(parts: Iterable[Part]) -> Removal:
    """Return what is replaced where these parts are left out."""
    found: dict[Site, NDArray[np.bool_]] = {}
    for part in parts:
        for site, width, first, stop in part.places:
            found.setdefault(site, np.zeros(width, bool))[first:stop] = True
    return found
