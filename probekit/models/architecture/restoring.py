"""A pass leaves the model as it found it, so that no row depends on what was read before it.

Enters: a model. Leaves: a context; behind it every attribute, submodule, parameter, buffer and setting is the very
object that it was. Some models change themselves while they read: BigBird swaps its attention on the first short input
and never swaps back, dynamic rotary positions keep the longest length seen. Buffers are copied for it, since some are
written into (the frequencies of LongRoPE); a parameter that is written into is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from operator import is_
from typing import TYPE_CHECKING, Any

from probekit.errors import NumericError

if TYPE_CHECKING:
    from torch import nn

Kept = list[tuple[dict[Any, Any], dict[Any, Any]]]
_EMPTY: dict[Any, Any] = {}


@contextmanager
def restored(model: nn.Module, *, settling: bool = False) -> Iterator[None]:
    """Put back, at the end, whatever the model has changed about itself.

    Parameters
    ----------
    model : Module
    settling : bool
        This is the model's first pass, in which it may rescale its parameters for good (RWKV): then
        everything stays as the pass left it.

    Raises
    ------
    NumericError
        A parameter was written into.
    """
    parts = list(model.modules())
    kept = _snapshot(parts)
    buffers = [(tensor, tensor._version, tensor.clone()) for tensor in _tensors(parts, "_buffers")]
    parameters = [(tensor, tensor._version) for tensor in _tensors(parts, "_parameters")]
    try:
        yield
    finally:
        written = any(tensor._version != version for tensor, version in parameters)
        if not (written and settling):
            _restore(kept)
            for tensor, version, content in buffers:
                if tensor._version != version:
                    tensor.copy_(content)
    if written and not settling:
        raise NumericError(
            f"The model ({type(model).__name__}) writes to its own parameters while it reads, so that every row "
            "depends on those read before it. Its states cannot be trusted."
        )


def _snapshot(parts: list[nn.Module]) -> Kept:
    """Copy, one level deep, the dictionaries that make up a model: those of its modules and configs."""
    settings: dict[int, dict[Any, Any]] = {}
    kept: Kept = []
    for part in parts:
        own = part.__dict__
        # Submodules, parameters, buffers and hooks lie in dictionaries of their own; most are empty, and a copy of
        # each would take a small model longer than one of its blocks.
        kept += [(value, value.copy() if value else _EMPTY) for value in own.values() if isinstance(value, dict)]
        kept.append((own, own.copy()))
        config = getattr(own.get("config"), "__dict__", None)
        if config is not None:
            settings[id(config)] = config
    return kept + [(config, config.copy()) for config in settings.values()]


def _restore(kept: Kept) -> None:
    for now, before in kept:
        if not now and not before:
            continue
        if len(now) != len(before) or list(now) != list(before) or not all(map(is_, now.values(), before.values())):
            now.clear()
            now.update(before)


def _tensors(parts: list[nn.Module], kind: str) -> list[Any]:
    found = (tensor for part in parts for tensor in part.__dict__[kind].values())
    return [tensor for tensor in found if tensor is not None and not tensor.is_inference()]
