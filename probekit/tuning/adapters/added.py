"""What was put into a model by a plan: modules that a run of the model passes while they are on, and no others.

Enters: modules and where they stand. Leaves: an :class:`Added`, with its parameters by depth. Surprise: nothing of the
model itself is replaced for good. Modules act while their context lasts, so that several sets of them share one model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from probekit.models.runtime.attach import Behind, Callback, Rows, attached
from probekit.sites import BETWEEN, LAYER, MLP, Site

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel

WRITTEN, SUBLAYER, BLOCK = "written", "sublayer", "block"
"""What a module reads: what the sublayer writes, what the sublayer read, or what entered the block."""


class Addition(nn.Module, ABC):
    """A module whose result is added to what a sublayer writes to the stream; exactly zero before anything trains.

    Attributes
    ----------
    reads : str
        One of ``written``, ``sublayer``, ``block``.
    """

    reads = WRITTEN

    @abstractmethod
    def forward(self, states: Tensor, real: Tensor) -> Tensor:
        """Return what is added [B, T, width].

        Parameters
        ----------
        states : Tensor [B, T, width]
            What it reads, pads among it.
        real : Tensor of bool [B, T]
            Where no pads are.
        """


class Added(ABC):
    """One entry of a plan's modules, put in.

    Attributes
    ----------
    module : Module or None
        What is new, to be held by the network; None where it is inside of the model.
    parts : mapping of int to tuple of Module
        By depth, what has parameters or dropout there; one that several depths share stands at each.
    """

    module: nn.Module | None
    parts: Mapping[int, tuple[nn.Module, ...]]

    @abstractmethod
    def on(self) -> AbstractContextManager[Any]:
        """Return a context in which passes of the model go through it."""

    @abstractmethod
    def tensors(self) -> dict[str, nn.Parameter]:
        """Return its parameters by names that do not depend on what else is in the model."""

    def save(self, folder: Path) -> list[Path]:
        """Write what other packages read, beside its tensors; return the files."""
        return []

    @property
    def shared(self) -> bool:
        """Whether several depths have parameters in common."""
        everywhere = [{*part.parameters()} for parts in self.parts.values() for part in parts]
        return sum(map(len, everywhere)) > len(set().union(*everywhere))

    def by_depth(self) -> dict[int, list[nn.Parameter]]:
        """Return its parameters by depth, each once, at the lowest."""
        taken: set[nn.Parameter] = set()
        found: dict[int, list[nn.Parameter]] = {}
        for depth in sorted(self.parts):
            own = [parameter for part in self.parts[depth] for parameter in part.parameters()]
            found[depth] = [parameter for parameter in dict.fromkeys(own) if parameter not in taken]
            taken |= set(own)
        return found


class Beside(Added):
    """Modules that read and write the stream while the model runs.

    Parameters
    ----------
    loaded : LoadedModel
    additions : mapping of (int, str) to Addition
        By depth and place: ``attention``, ``mlp``, ``block``.
    between : set of int
        Blocks with a stream between attention and MLP, which is what their MLP reads; that of others reads what enters.
    """

    def __init__(self, loaded: LoadedModel, additions: Mapping[tuple[int, str], Addition], between: set[int]) -> None:
        self._loaded = loaded
        self.module = nn.ModuleDict({f"{depth}-{place}": own for (depth, place), own in sorted(additions.items())})
        depths = sorted({depth for depth, _ in additions})
        self.parts = {depth: tuple(own for (at, _), own in additions.items() if at == depth) for depth in depths}
        self._callbacks: list[tuple[Site | Behind, Callback]] = []
        for (depth, place), own in sorted(additions.items()):
            self._put(depth, place, own, between)

    def on(self) -> AbstractContextManager[Any]:
        """Return a context in which what they give is added."""
        return attached(self._loaded, self._callbacks)

    def tensors(self) -> dict[str, nn.Parameter]:
        """Return the parameters by place."""
        assert self.module is not None
        return dict(self.module.named_parameters())

    def _put(self, depth: int, place: str, own: Addition, between: set[int]) -> None:
        written: Site | Behind = Site(LAYER if place == BLOCK else place, depth)
        if place == MLP:
            written = Behind(Site(MLP, depth))
        if own.reads == WRITTEN:
            self._callbacks.append((written, lambda states, rows: _added(own, states, states, rows)))
            return
        entered: list[Tensor] = []

        def note(states: Tensor, rows: Rows) -> None:
            entered[:] = [states]

        def add(states: Tensor, rows: Rows) -> Tensor:
            return _added(own, states, entered.pop(), rows)

        inside = own.reads == SUBLAYER and place == MLP and depth in between
        self._callbacks += [(Site(BETWEEN, depth) if inside else Site(LAYER, depth - 1), note), (written, add)]


def _added(own: Addition, written: Tensor, read: Tensor, rows: Rows) -> Tensor:
    """Return what is written with what a module adds, which computes as its parameters are stored."""
    kind = next(own.parameters()).dtype
    return written + own(read.to(kind), rows.real).to(written)
