"""Low-rank changes of linear maps, by ``peft``: which maps of which blocks, found by a trial run, put in by full name.

Enters: a loaded model, depths. Leaves: a :class:`LowRank`: the maps are wrapped, and act as before until they are on.
Surprise: with full names peft looks at no list of layers, so what it wrapped is compared with what was meant; and its
own switches change what takes gradients, so they are set past it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from probekit.errors import UsageError
from probekit.models.architecture.sublayers import sublayers_of
from probekit.models.runtime.dependence import modules_of
from probekit.sites import ATTENTION
from probekit.tuning.adapters.added import Added

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel

ALL, TO_ATTENTION, TO_MLP = "all", "attention", "mlp"
TO = (TO_ATTENTION, TO_MLP, ALL)
OWN = ("lora_A", "lora_B", "lora_dropout")
"""What a wrapped map has that is new."""
WRAPPED = ".base_layer."
"""Between the name of a map and those of its own parameters, where it is wrapped."""


class LowRank(Added):
    """Low-rank changes; ``W + (alpha / r) B A``, B zeros at first.

    Parameters
    ----------
    loaded : LoadedModel
    depths : sequence of int
    r : int
        The rank.
    alpha : int
    to : {"attention", "mlp", "all"}
    dropout : float
        In front of A.

    Raises
    ------
    UsageError
        There is no peft, no such map in a block, or blocks share their maps.
    """

    module = None

    def __init__(
        self, loaded: LoadedModel, depths: Sequence[int], *, r: int, alpha: int, to: str, dropout: float
    ) -> None:
        try:
            from peft import LoraConfig, inject_adapter_in_model
        except ImportError as error:
            raise UsageError("The module 'lora' needs peft: pip install 'probekit-nlp[lora]'.") from error
        maps = _maps(loaded, depths, to)
        names = {module: name for name, module in loaded.model.named_modules()}
        wanted = {names[one]: depth for depth, some in maps.items() for one in some}
        self._name = f"probekit{_count(loaded.model)}"
        self._config = LoraConfig(
            r=r,
            lora_alpha=alpha,
            lora_dropout=dropout,
            target_modules=sorted(wanted),
            fan_in_fan_out=any(not isinstance(_base(one), nn.Linear) for some in maps.values() for one in some),
            base_model_name_or_path=loaded.source.name,
            inference_mode=True,
        )
        modes = {module: module.training for module in loaded.model.modules()}
        vars(loaded.model).pop("peft_config", None)  # of another set of changes, which is on record in its own place
        inject_adapter_in_model(self._config, loaded.model, adapter_name=self._name)
        self._maps: dict[str, Any] = {
            name: one for name, one in loaded.model.named_modules() if self._name in getattr(one, "lora_A", {})
        }
        if set(self._maps) != set(wanted):
            odd = sorted(set(self._maps) ^ set(wanted))
            raise UsageError(f"peft put its changes elsewhere than meant: {', '.join(odd[:5])}. Use another version.")
        for one in loaded.model.modules():
            one.training = modes.get(one, loaded.model.training)
        for one in self._maps.values():
            one._disable_adapters = True
        self.parts = {depth: self._parts(name for name, at in wanted.items() if at == depth) for depth in maps}

    @contextmanager
    def on(self) -> Iterator[None]:
        """Let the changes act, and no others of the same maps."""
        before = [(one, one._disable_adapters, one._active_adapter) for one in self._maps.values()]
        try:
            for one, _, _ in before:
                one._disable_adapters, one._active_adapter = False, [self._name]
            yield
        finally:
            for one, off, active in before:
                one._disable_adapters, one._active_adapter = off, active

    def tensors(self) -> dict[str, nn.Parameter]:
        """Return the parameters as peft names them in its files."""
        return {
            f"base_model.model.{name}.{kind}.weight": getattr(one, kind)[self._name].weight
            for name, one in self._maps.items()
            for kind in OWN[:2]
        }

    def save(self, folder: Path) -> list[Path]:
        """Write ``adapter_config.json`` and its tensors, as ``PeftModel.from_pretrained`` loads them."""
        from safetensors.torch import save_file

        folder.mkdir(exist_ok=True)
        self._config.save_pretrained(str(folder))
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.tensors().items()}
        save_file(tensors, str(folder / "adapter_model.safetensors"))
        return [folder / "adapter_config.json", folder / "adapter_model.safetensors"]

    def _parts(self, names: Iterator[str]) -> tuple[nn.Module, ...]:
        return tuple(getattr(self._maps[name], kind)[self._name] for name in names for kind in OWN)


def _maps(loaded: LoadedModel, depths: Sequence[int], to: str) -> dict[int, list[nn.Module]]:
    """Return the linear maps that are meant, by depth, in the order in which a trial run comes to them.

    Raises
    ------
    UsageError
    """
    if to not in TO:
        raise UsageError(f"The option `to` of the module 'lora' must be one of {', '.join(TO)}. Got '{to}'.")
    by_depth, stack = modules_of(loaded), loaded.stacks[0]
    doors = sublayers_of(loaded, stack)
    found = {}
    for depth in depths:
        inside = set(stack.blocks.outputs[depth - 1].modules())
        own = [one for one in by_depth[depth] if one in inside and _is_map(one)]
        wrapped = {one.base_layer for one in own if hasattr(one, "base_layer")}
        own = [one for one in own if one not in wrapped]
        if not own:
            raise UsageError(
                f"Block {depth} of '{loaded.source.name}' has no linear map of its own for 'lora' to change: its "
                "weights are those of a lower block, or it is made otherwise. Put it elsewhere, or take 'bottleneck'."
            )
        if stack.blocks.outputs.count(stack.blocks.outputs[depth - 1]) > 1:
            raise UsageError(
                f"Block {depth} of '{loaded.source.name}' is run at several depths with the same weights, so that a "
                "change of its maps would be one of all of these. Take 'bottleneck'."
            )
        if to != ALL:
            door = doors.doors.get((ATTENTION, depth))
            projection = None if door is None else _base(door.module)
            place = next((n for n, one in enumerate(own) if _base(one) is projection), None)
            if place is None:
                reason = doors.reasons.get((ATTENTION, depth), "its projection is no map that peft can change")
                raise UsageError(f"Which maps of block {depth} are attention's is not known: {reason}. Set to={ALL}.")
            own = own[: place + 1] if to == TO_ATTENTION else own[place + 1 :]
        found[depth] = own
    return found


def _is_map(module: nn.Module) -> bool:
    from transformers.pytorch_utils import Conv1D

    return isinstance(_base(module), nn.Linear | Conv1D)


def _base(module: Any) -> nn.Module:
    """Return a map without what peft wrapped around it."""
    base: nn.Module = getattr(module, "base_layer", module)
    return base


def _count(model: nn.Module) -> int:
    """Return how many sets of changes a model has."""
    return len({name for one in model.modules() for name in getattr(one, "lora_A", {})})
