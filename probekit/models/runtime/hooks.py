"""Capture: read the layers of a model while it runs.

Enters: a loaded model and tensor names. Leaves: ``states``, the tensors of the latest forward
pass, [batch, token, width] on the model's device, pads included. Surprise: a context is entered
once and serves any number of passes; each overwrites ``states``.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from probekit.errors import UsageError, did_you_mean
from probekit.models.architecture.stacks import Stack, entering, hidden
from probekit.sites import FINAL, tensor_name

if TYPE_CHECKING:
    import torch

    from probekit.models.sources.load import LoadedModel


class Capture:
    """Hooks on the chosen layers, removed when the context ends.

    Parameters
    ----------
    loaded : LoadedModel
    layers : sequence of str
        Tensor names: ``layer.00``, ``final``, ``decoder.layer.02``.

    Attributes
    ----------
    states : dict
        Tensor name -> [batch, token, width], of the latest forward pass.
    """

    def __init__(self, loaded: LoadedModel, layers: Sequence[str]) -> None:
        known = loaded.layer_names
        for layer in layers:
            if layer not in known:
                raise UsageError(
                    f"This model has no layer '{layer}'; it has {', '.join(known)}.{did_you_mean(layer, known)}"
                )
        self.states: dict[str, torch.Tensor] = {}
        self._loaded = loaded
        self._wanted = frozenset(layers)
        self._handles: list[Any] = []

    def __enter__(self) -> Capture:
        try:
            for stack in self._loaded.stacks:
                self._attach(stack)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the hooks and let go of the states."""
        while self._handles:
            self._handles.pop().remove()
        self.states.clear()

    def _attach(self, stack: Stack) -> None:
        blocks = stack.blocks
        if tensor_name(0, stack.name) in self._wanted:
            self._attach_first(stack)
        runs: dict[Any, list[str | None]] = {}
        for number, block in enumerate(blocks.outputs, start=1):
            name = tensor_name(number, stack.name)
            runs.setdefault(block, []).append(name if name in self._wanted else None)
        for block, names in runs.items():
            if len(names) == 1 and names[0] is not None:
                self._handles.append(block.register_forward_hook(self._leaves(names[0])))
            elif any(names):
                self._attach_shared(stack, block, names)
        if (name := tensor_name(FINAL, stack.name)) in self._wanted:
            self._handles.append(stack.module.register_forward_hook(self._leaves(name)))

    def _attach_shared(self, stack: Stack, block: Any, names: list[str | None]) -> None:
        """A module that runs several times in a pass: its runs are counted from the start of each pass."""
        done = 0

        def restart(module: Any, args: Any) -> None:
            nonlocal done
            done = 0

        def count(module: Any, args: Any, output: Any) -> None:
            nonlocal done
            name = names[done]
            done += 1
            if name is not None:
                self.states[name] = hidden(output)

        self._handles.append(stack.module.register_forward_pre_hook(restart))
        self._handles.append(block.register_forward_hook(count))

    def _attach_first(self, stack: Stack) -> None:
        """The input of block 1; of its first run only, where one module serves several layers."""
        name = tensor_name(0, stack.name)
        waiting = True

        def restart(module: Any, args: Any) -> None:
            nonlocal waiting
            waiting = True

        def hook(module: Any, args: Any, kwargs: Any) -> None:
            nonlocal waiting
            if waiting:
                self.states[name] = entering(args, kwargs)
                waiting = False

        self._handles.append(stack.module.register_forward_pre_hook(restart))
        self._handles.append(stack.blocks.first.register_forward_pre_hook(hook, with_kwargs=True))

    def _leaves(self, name: str) -> Any:
        def hook(module: Any, args: Any, output: Any) -> None:
            self.states[name] = hidden(output)

        return hook
