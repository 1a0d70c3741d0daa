"""The stacks of blocks inside a model, and where each layer is to be read.

Enters: a loaded model. Leaves: one :class:`Stack`, or two for an encoder-decoder. Layers: 0 is what block 1 reads (the
embedding output after its projection and norm), i is the raw output of block i, for every family; ``final`` is what
the stack returns, and exists only where that differs from the last block's output (a final norm, an output
projection). Nothing is believed from names: two short rows are run once, and the tensors that pass the hooks decide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from probekit.errors import UsageError
from probekit.models.architecture.families import Blocks, Family
from probekit.models.architecture.restoring import restored
from probekit.sites import DECODER, ENCODER, FINAL, of_stack, tensor_name


@dataclass(frozen=True, slots=True)
class Stack:
    """One stack of blocks.

    Attributes
    ----------
    name : str
        ``""`` for the only one, else ``encoder`` or ``decoder``.
    module : Module
        Its output is ``final``.
    blocks : Blocks
        Where the layers are read.
    layer_names : tuple of str
        ``layer.00`` .. ``layer.NN``, then ``final`` if it exists.
    widths : dict
        Width of each layer.
    """

    name: str
    module: nn.Module
    blocks: Blocks
    layer_names: tuple[str, ...]
    widths: dict[str, int]

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        return len(self.blocks.outputs)

    def full_name(self, layer: str) -> str:
        """Return the tensor name of a layer: ``layer.03``, ``decoder.layer.03``."""
        return of_stack(self.name, layer)


def find_stacks(model: nn.Module, config: Any, family: Family) -> tuple[Stack, ...]:
    """Find the stacks and prove by a trial run that every layer is read where it should be.

    Raises
    ------
    UsageError
        The blocks cannot be found or do not follow one another: the family needs a file.
    ValueError
        The config asks for no block at all.
    """
    if getattr(config, "is_encoder_decoder", False):
        parts = [(name, model.get_submodule(name)) for name in (ENCODER, DECODER)]
    else:
        parts = [("", model)]
    found = []
    for name, module in parts:
        found.append((name, module, blocks_of(module, config, family, name)))
    with restored(model, settling=True):
        run_trial(model, config)
    return _trial(model, config, found)


def blocks_of(module: nn.Module, config: Any, family: Family, name: str = "") -> Blocks:
    """Return the blocks of a stack by its modules alone; nothing runs, and nothing is proved.

    Raises
    ------
    UsageError
        They cannot be found.
    ValueError
        The config asks for no block at all.
    """
    depth = _depth(config, name)
    blocks = family.blocks(module, config) if family.blocks else _outermost(module, depth)
    if blocks is None or len(blocks.outputs) != depth:
        raise _unusual_error(config, f"no list of {depth} blocks was found in {name or 'the model'}")
    return blocks


def stacks_below(model: nn.Module, stacks: tuple[Stack, ...]) -> tuple[Stack, ...]:
    """Return the stacks of a base model as a model with a head runs them.

    Some heads pass by the outermost module of the base model and call one inside of it (OPT). Where that gives the same
    states, ``final`` is read there; else nowhere.
    """
    config: Any = model.config
    found = []
    for stack in stacks:
        parts = _enclosing(stack.module, stack.blocks.first)
        ours = _returned_by(model, parts, config)
        if id(stack.module) not in ours:
            whole = _returned_by(model.base_model, parts, config)[id(stack.module)]
            called = [part for part in parts if _is_states(ours.get(id(part)))]
            same = (part for part in called if torch.equal(ours[id(part)].to(whole.device), whole))
            stack = replace(stack, module=next(same, stack.module))
        found.append(stack)
    return tuple(found)


def _returned_by(model: Any, parts: list[nn.Module], config: Any) -> dict[int, Any]:
    """Return what modules return in a trial run of a model."""
    returned: dict[int, Any] = {}
    handles = [part.register_forward_hook(_keep(returned, id(part))) for part in parts]
    try:
        with restored(model):
            run_trial(model, config)
    finally:
        for handle in handles:
            handle.remove()
    return returned


def hidden(output: Any) -> Any:
    """Return the hidden states in what a block or a stack returns: the thing itself, or the first of several."""
    return output if isinstance(output, torch.Tensor) else output[0]


def entering(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return the hidden states that enter a block."""
    return args[0] if args else kwargs.get("hidden_states")


def _depth(config: Any, name: str) -> int:
    keys = {ENCODER: ("encoder_layers", "num_layers"), DECODER: ("decoder_layers", "num_decoder_layers")}
    for key in (*keys.get(name, ()), "num_hidden_layers"):
        value = getattr(config, key, None)
        if isinstance(value, int):
            if value < 1:
                raise ValueError(f"{key} is {value}, and a model has at least one block")
            return value
    raise _unusual_error(config, "its config does not tell the number of layers")


def _outermost(module: nn.Module, depth: int) -> Blocks | None:
    """Return the shallowest list of ``depth`` modules."""
    lists = [
        (name.count("."), name, part)
        for name, part in module.named_modules()
        if isinstance(part, nn.ModuleList) and len(part) == depth
    ]
    if not lists:
        return None
    part = min(lists, key=lambda item: item[:2])[2]
    return Blocks(first=part[0], outputs=tuple(part))


def _trial(model: nn.Module, config: Any, found: list[tuple[str, nn.Module, Blocks]]) -> tuple[Stack, ...]:
    """Run two rows of five tokens, and look at what enters and leaves every block."""
    seen: dict[int, list[tuple[Any, Any]]] = {}
    returned: dict[int, Any] = {}
    handles = []
    for _, module, blocks in found:
        for block in {id(part): part for part in (blocks.first, *blocks.outputs)}.values():
            record: list[tuple[Any, Any]] = seen.setdefault(id(block), [])
            handles.append(block.register_forward_hook(_note(record), with_kwargs=True))
        for part in _enclosing(module, blocks.first):
            handles.append(part.register_forward_hook(_keep(returned, id(part))))
    try:
        with restored(model):
            run_trial(model, config)
    finally:
        for handle in handles:
            handle.remove()
    return tuple(_stack(config, part, seen, returned) for part in found)


def run_trial(model: nn.Module, config: Any, *, alike: bool = False) -> None:
    """Run two rows of five tokens, or twice the same row, so that hooks see what passes."""
    # A parameter that waits on disk or on the CPU of a spread model is nowhere until it is used.
    device = next((tensor.device for tensor in model.parameters() if tensor.device.type != "meta"), "cpu")
    size = getattr(config, "vocab_size", None)
    if size is None:
        raise _unusual_error(config, "its config does not tell the size of a vocabulary")
    ids = (torch.arange(10, device=device).reshape(2, 5) * 7 + 3) % size
    ids = ids[:1].repeat(2, 1) if alike else ids
    decoder = {"decoder_input_ids": ids} if getattr(config, "is_encoder_decoder", False) else {}
    with torch.inference_mode():
        model(input_ids=ids, **decoder)


def _note(record: list[tuple[Any, Any]]) -> Any:
    def hook(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        record.append((entering(args, kwargs), hidden(output)))

    return hook


def _enclosing(module: nn.Module, block: nn.Module) -> list[nn.Module]:
    """Return the modules that hold a block, the outermost first."""
    parts = next(name for name, part in module.named_modules() if part is block).split(".")
    return [module.get_submodule(".".join(parts[:depth])) for depth in range(len(parts))]


def _keep(returned: dict[int, Any], key: int) -> Any:
    def hook(module: nn.Module, args: Any, output: Any) -> None:
        returned[key] = hidden(output)

    return hook


def _stack(
    config: Any, part: tuple[str, nn.Module, Blocks], seen: dict[int, list[tuple[Any, Any]]], returned: dict[int, Any]
) -> Stack:
    name, module, blocks = part
    queues = {key: iter(record) for key, record in seen.items()}
    first = seen[id(blocks.first)][0] if seen[id(blocks.first)] else (None, None)
    passed = [next(queues[id(block)], (None, None)) for block in blocks.outputs]
    noted: list[Any] = [first[0], *(leaving for _, leaving in passed)]
    states = noted
    if blocks.padded:
        states = [state[:, :5] if isinstance(state, torch.Tensor) else state for state in noted]
    if not all(map(_is_states, states)):
        raise _unusual_error(config, "its blocks do not pass on tensors of [batch, token, width]")
    if any(next(queue, None) is not None for key, queue in queues.items() if key in map(id, blocks.outputs)):
        raise _unusual_error(config, "its blocks run more often than it has layers")
    if blocks.chained and any(state is not enters for state, (enters, _) in zip(noted, passed, strict=False)):
        raise _unusual_error(config, "something stands between its blocks")
    names = [tensor_name(number) for number in range(len(states))]
    # A model may end in a pooled vector (DPR): the outermost module that returns a state for every token counts.
    whole = next((part for part in _enclosing(module, blocks.first) if _is_states(returned.get(id(part)))), None)
    if whole is None:
        raise _unusual_error(config, "it does not return hidden states")
    output = returned[id(whole)]
    # A model over several devices returns its states where it was given the ids.
    if output.shape != states[-1].shape or not torch.equal(output.to(states[-1].device), states[-1]):
        names.append(tensor_name(FINAL))
        states.append(output)
    widths = {layer: int(state.shape[-1]) for layer, state in zip(names, states, strict=True)}
    return Stack(name=name, module=whole, blocks=blocks, layer_names=tuple(names), widths=widths)


def _is_states(value: Any) -> bool:
    """Whether a value is [batch, token, width] of the trial."""
    return isinstance(value, torch.Tensor) and value.ndim == 3 and value.shape[:2] == (2, 5)


def _unusual_error(config: Any, what: str) -> UsageError:
    return UsageError(
        f"Models of type '{config.model_type}' are not understood: {what}. "
        "A file in probekit/models/architecture/families that finds its blocks makes them so."
    )
