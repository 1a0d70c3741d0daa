"""Capture: read places of a model while it runs.

Enters: a loaded model and the names of places. Leaves: ``states``, the tensors of the latest forward
pass, [batch, token, width] on the device of their block, pads included. Surprise: a context is entered
once and serves any number of passes; each overwrites ``states``, and may end where the last of them was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING

from probekit.models.runtime.attach import Callback, attached, check_places
from probekit.models.runtime.forward import AllRead
from probekit.sites import site_of

if TYPE_CHECKING:
    import torch

    from probekit.models.runtime.attach import Rows
    from probekit.models.sources.load import LoadedModel


class Capture:
    """Keeps what stands at the chosen places; its hooks are removed when the context ends.

    Parameters
    ----------
    loaded : LoadedModel
    places : sequence of str
        Tensor names: ``layer.00``, ``final``, ``heads.03``, ``decoder.layer.02``.
    stop : bool
        End a pass once every place was read: no module above runs. Such a pass is run by
        :func:`~probekit.models.runtime.forward.forward` alone, which then returns nothing.

    Attributes
    ----------
    states : dict
        Tensor name -> [batch, token, width], of the latest forward pass; of attention weights
        [batch, heads, token, token].

    Raises
    ------
    UsageError
        The model has no such place, with the reason.
    """

    def __init__(self, loaded: LoadedModel, places: Sequence[str], *, stop: bool = False) -> None:
        self._sites = [site_of(place) for place in places]
        check_places(loaded, self._sites)
        self.states: dict[str, torch.Tensor] = {}
        self._loaded = loaded
        self._stop = stop
        self._due: set[str] = set()
        self._open = ExitStack()

    def __enter__(self) -> Capture:
        names = {site.tensor for site in self._sites}
        callbacks = {site: self._keeps(site.tensor) for site in self._sites}
        if self._stop:
            handle = self._loaded.model.register_forward_pre_hook(lambda module, args: self._due.update(names))
            self._open.callback(handle.remove)
        self._open.enter_context(attached(self._loaded, callbacks))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the hooks and let go of the states."""
        self._open.close()
        self.states.clear()

    def _keeps(self, name: str) -> Callback:
        def keep(states: torch.Tensor, rows: Rows) -> None:
            self.states[name] = states
            self._due.discard(name)
            if self._stop and not self._due:
                raise AllRead

        return keep
