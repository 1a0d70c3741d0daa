"""A model over several devices: which block lies where, and what of it waits on disk.

Enters: a config, the class that will load it, a :class:`~probekit.devices.DeviceMap`. Leaves: what transformers is told
so that accelerate spreads the model, and of a model that is spread a :class:`Placement`. Weights on the CPU or on disk
wait there: accelerate's hooks bring those of a module to the first device while it runs, so every number is computed
there or on another GPU. Surprise: what waits on disk is read from the model's own files, again in every pass; only
what transformers makes of several tensors is written anew, into a temporary folder that goes when the model does.
"""

from __future__ import annotations

import importlib.metadata
import logging
import shutil
import tempfile
import warnings
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from probekit.devices import DeviceMap, out_of_memory
from probekit.errors import CacheError, ProbekitError, ResourceError, UsageError, reason_of
from probekit.models.architecture.families import family_of
from probekit.models.architecture.stacks import blocks_of
from probekit.models.sources.digests import stamp
from probekit.models.sources.unread import NotRead, text_part
from probekit.models.sources.weights import pretrained

if TYPE_CHECKING:
    from probekit.models.sources.locate import TransformersSource

DISK = "disk"
LEAST = (1, 15)
"""Of accelerate: an older one may give a module the weights of another, where some are shared and wait on disk."""
TORCH = (2, 10)
"""An older torch does not run models without memory for their weights, which is how those that wait are held."""
EXTRA = (
    "A model over several devices needs accelerate 1.15 or newer, and torch 2.10: pip install -U 'probekit-nlp[large]'."
)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the weights of a model lie.

    Attributes
    ----------
    main : torch.device
        Where a pass begins, and where weights go that wait on the CPU or on disk.
    kind : str
        One of :data:`~probekit.devices.MAPS`.
    weights : dict of str to int
        Device, ``cpu`` or ``disk`` -> bytes of parameters, shared ones once.
    files : dict of Path to str
        The model's own files that are read in every pass, with their stamps when it was loaded.
    """

    main: torch.device
    kind: str
    weights: Mapping[str, int]
    files: Mapping[Path, str] = field(repr=False, default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return what the plan of a cache records."""
        return {"kind": self.kind, "main": str(self.main), "weights": dict(self.weights)}

    def check_unchanged(self) -> None:
        """Refuse numbers of a model whose files were written to while they were read.

        Raises
        ------
        CacheError
        """
        changed = [path for path, then in self.files.items() if stamp(path) != then]
        if changed:
            raise CacheError(
                f"{changed[0]} changed while the model was read from it, pass by pass: some vectors may be of other "
                "weights. Remove the incomplete cache (probekit cache rm), and run the command again once nothing "
                "writes to the model."
            )


def asked_of_transformers(config: Any, kind: str, dtype: torch.dtype, wanted: DeviceMap) -> dict[str, Any]:
    """Return the arguments by which ``from_pretrained`` spreads a model.

    Parameters
    ----------
    config : PreTrainedConfig
    kind : str
        The class of transformers that loads the model.
    dtype : torch.dtype
    wanted : DeviceMap

    Returns
    -------
    dict
        ``device_map`` (module -> device) and ``offload_folder``, which is removed with :func:`remove_with`.

    Raises
    ------
    UsageError
        accelerate is missing, torch is too old, or a device is named that is not here.
    ResourceError
        No folder can be made for what has to be written.
    """
    try:
        from accelerate import infer_auto_device_map
        from accelerate.utils import get_balanced_memory
    except ImportError as error:
        raise UsageError(EXTRA) from error
    if not new_enough():
        raise UsageError(EXTRA)
    import transformers

    with torch.device("meta"):
        empty = getattr(transformers, kind).from_config(config, dtype=dtype)
    empty.tie_weights()
    whole = [*(empty._no_split_modules or ())]
    room: Any = _room(wanted)
    if wanted.kind == "auto":
        room = get_balanced_memory(empty, max_memory=room, no_split_module_classes=whole, dtype=dtype)
    places = infer_auto_device_map(empty, max_memory=room, no_split_module_classes=whole, dtype=dtype)
    for block in _unread_blocks(empty, wanted.highest):
        places = _with(empty, places, block, DISK)
    if set(places.values()) == {DISK}:
        # Where nothing is on a device at all, older versions of accelerate find none to compute on.
        places = _with(empty, places, _smallest(empty), "cpu")
    modules, main = dict(empty.named_modules()), _main(places)
    # Hooks bring in what modules hold; a tensor that is placed by its own name has none.
    places = {name: place if name in modules else main for name, place in places.items()}
    try:
        folder = tempfile.mkdtemp(prefix="probekit-offload-", dir=wanted.offload)
    except OSError as error:
        raise ResourceError(
            f"No folder for offloaded weights can be made in {wanted.offload or tempfile.gettempdir()}: {error}. Give "
            "another place with --offload."
        ) from error
    return {"device_map": dict(places), "offload_folder": folder}


def new_enough() -> bool:
    """Whether the accelerate and the torch that are here spread a model as they should."""
    here = {name: importlib.metadata.version(name).split(".")[:2] for name in ("accelerate", "torch")}
    return all(tuple(map(int, here[name])) >= least for name, least in (("accelerate", LEAST), ("torch", TORCH)))


def _room(wanted: DeviceMap) -> dict[int | str, int] | None:
    """Return the bytes of each device as accelerate takes them: GPUs by their number."""
    if not wanted.max_memory:
        return None
    here = torch.cuda.device_count()
    for name, _ in wanted.max_memory:
        if name != "cpu" and int(name) >= here:
            raise UsageError(
                f"The `max_memory` option names GPU {name}, but torch sees {here or 'none'} here"
                f"{f' (0 to {here - 1})' if here else ''}. Name others, or cpu."
            )
    return {name if name == "cpu" else int(name): room for name, room in wanted.max_memory}


def _unread_blocks(empty: Any, highest: int | None) -> list[str]:
    """Return the names of the blocks above the highest that is read; none where the blocks are not found by name."""
    base = empty.base_model
    if highest is None or getattr(base.config, "is_encoder_decoder", False):
        return []
    try:
        blocks = blocks_of(base, base.config, family_of(base.config.model_type))
    except (ProbekitError, ValueError, AttributeError):  # the loaded model will say it better
        return []
    above = {id(block) for block in blocks.outputs[highest:]} - {id(block) for block in blocks.outputs[:highest]}
    return [name for name, module in empty.named_modules() if id(module) in above]


def _smallest(empty: nn.Module) -> str:
    """Return the name of the smallest module that holds parameters and no other module."""
    sizes = {
        name: sum(tensor.numel() for tensor in module.parameters())
        for name, module in empty.named_modules()
        if not any(True for _ in module.children())
    }
    return min((name for name, size in sizes.items() if size), key=lambda name: sizes[name])


def _with(model: nn.Module, places: Mapping[str, Any], block: str, at: str) -> dict[str, Any]:
    """Return a device map with a block at a place of its own; what held the block is named part by part."""
    found = {name: place for name, place in places.items() if name != block and not name.startswith(f"{block}.")}
    holder = next((name for name in found if name == "" or block.startswith(f"{name}.")), None)
    while holder is not None and holder != block:
        place, module = found.pop(holder), model.get_submodule(holder)
        parts = [name for name, _ in (*module.named_children(), *module.named_parameters(recurse=False))]
        parts += [name for name in module.state_dict() if "." not in name and name not in parts]  # buffers of the file
        names = [f"{holder}.{part}" if holder else part for part in parts]
        found.update(dict.fromkeys(names, place))
        holder = next(name for name in names if block == name or block.startswith(f"{name}."))
    return {**found, block: at}


def remove_with(model: Any, folder: str) -> None:
    """Remove a folder when a model is no longer there, at the latest when Python ends; at once where it is empty."""
    path = Path(folder)
    if not path.is_dir() or not any(path.iterdir()):
        shutil.rmtree(path, ignore_errors=True)
        return
    weakref.finalize(model, shutil.rmtree, path, ignore_errors=True)


def _placement(model: Any, wanted: DeviceMap, places: Mapping[str, Any], files: Sequence[Path]) -> Placement:
    """Return where a model lies that transformers has loaded over several devices."""
    weights: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        weights[_place(name, places)] += parameter.numel() * parameter.element_size()
    read = {path: stamp(path) for path in files} if DISK in weights else {}
    return Placement(torch.device(_main(places)), wanted.kind, dict(sorted(weights.items())), read)


def _main(places: Mapping[str, Any]) -> Any:
    """Return the device where weights go that wait: the first that is neither the CPU nor the disk, if there is one."""
    return next((place for place in places.values() if place not in ("cpu", DISK)), "cpu")


def _place(name: str, places: Mapping[str, Any]) -> str:
    """Return where a parameter waits, by the longest name in the map that holds it."""
    parts = name.split(".")
    held = (".".join(parts[:length]) for length in range(len(parts), -1, -1))
    place = next(places[part] for part in held if part in places)
    return str(place) if place in ("cpu", DISK) else str(torch.device(place))


def spread(
    source: TransformersSource, config: Any, dtype: torch.dtype, kind: str, *, wanted: DeviceMap
) -> tuple[Any, NotRead, Placement]:
    """Load a model over several devices; return it, what of its files is not read, and where it lies.

    Raises
    ------
    UsageError
        As of :func:`~probekit.models.sources.weights.pretrained` and :func:`asked_of_transformers`.
    """
    asked = asked_of_transformers(config, kind, dtype, wanted)
    told = logging.getLogger("accelerate")
    level = told.level
    try:
        told.setLevel(logging.ERROR)  # that some weights wait on disk is what was asked for
        with warnings.catch_warnings():
            # A parameter of no module inside is placed by its own name.
            warnings.filterwarnings("ignore", message="The following device_map keys do not match")
            model, not_read = pretrained(source, config, dtype, kind, spread=asked)
    except BaseException:
        shutil.rmtree(asked["offload_folder"], ignore_errors=True)
        raise
    finally:
        told.setLevel(level)
    remove_with(_staying(model), asked["offload_folder"])
    return model, not_read, _placement(model, wanted, asked["device_map"], source.weights)


def _staying(model: Any) -> Any:
    """Return the part of several models in one that stays in memory; else the model."""
    try:
        return text_part(model)[0]
    except UsageError:  # said where the part is taken
        return model


@contextmanager
def runs_spread(model_type: str, placement: Placement | None) -> Iterator[None]:
    """Say of a model whose code does not run over several devices that this is why; others are not touched.

    Raises
    ------
    UsageError
    """
    try:
        yield
    except (RuntimeError, NotImplementedError) as error:
        if placement is None or out_of_memory(error):
            raise
        raise UsageError(
            f"Models of type '{model_type}' do not run over several devices ({reason_of(error)}): their code uses "
            "weights outside of the modules that hold them. Leave out --device-map; --dtype bfloat16 halves a model."
        ) from error
