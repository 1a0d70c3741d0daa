"""A tuned model on disk: whole, as transformers loads it, or what differs from the model it came from.

Enters: a network. Leaves: files in the folder of its run. Whole: ``config.json``, ``model.safetensors`` and the
tokenizer, cut to the blocks that were kept, so that the folder of a run is a model like any other; its head lies beside
them. What differs (``delta.safetensors``): the tensors of the depths that trained, to be put into the model whose
digest the run names.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch

from probekit.errors import CacheError, UsageError
from probekit.models.sources.weights import quiet
from probekit.tuning.network.network import Network
from probekit.tuning.plan import TunePlan
from probekit.tuning.runs.folder import SAVING, RunFolder, run_disk_errors

HEAD, DELTA, MODULES = "head.safetensors", "delta.safetensors", "modules.safetensors"
SAVES = ("whole", "delta")


def way_of_saving(save: str | None, plan: TunePlan, name: str = "") -> str:
    """Return the way to save what a plan trains: whole by default, and what differs where it has modules.

    Parameters
    ----------
    save : {"whole", "delta"}, optional
    plan : TunePlan
    name : str
        Of the plan, where there are several.

    Raises
    ------
    UsageError
        There is no such way; or a model with modules is to be saved whole.
    """
    if save not in (None, *SAVES):
        raise UsageError(f"The `save` option must be one of {', '.join(SAVES)}. Got '{save}'.")
    if save == "whole" and plan.modules:
        which = f" (--beside {name})" if name else ""
        raise UsageError(
            f"A model with modules{which} is saved as what differs (delta): transformers "
            "would load it without them. Leave out --save."
        )
    return save or ("delta" if plan.modules else "whole")


def save_network(run: RunFolder, network: Network, trained: frozenset[int], save: str) -> int:
    """Write a network; return the bytes that it takes.

    Parameters
    ----------
    run : RunFolder
    network : Network
    trained : frozenset of int
        Depths that trained at some time.
    save : {"whole", "delta"}
    """
    head = run.write_tensors(HEAD, network.new_tensors())
    written = [head]
    if save == "whole":
        written += _save_whole(run.path, network)
    else:
        depths = [depth for depth in sorted(trained) if depth <= network.keep or network.head.own]
        written.append(run.write_tensors(DELTA, network.pretrained(depths)))
    if network.added:
        written.append(run.write_tensors(MODULES, network.placed_tensors()))
        written += [file for name, one in network.added.items() for file in one.save(run.path / name)]
    return sum(file.stat().st_size for file in written)


def load_head(run: RunFolder, network: Network) -> None:
    """Put the saved head into a network."""
    put(network, run.read_tensors(HEAD), run.path / HEAD)


def load_modules(run: RunFolder, network: Network) -> None:
    """Put the saved modules into a network that has the same.

    Raises
    ------
    CacheError
        They are others.
    """
    if not network.added:
        return
    own, saved = network.placed_tensors(), run.read_tensors(MODULES)
    if {name: value.shape for name, value in own.items()} != {name: value.shape for name, value in saved.items()}:
        raise CacheError(f"{run.path / MODULES} does not hold the modules that its plan describes.")
    with torch.no_grad():
        for name, value in saved.items():
            own[name].copy_(value)


def put(network: Network, tensors: Mapping[str, torch.Tensor], where: Path) -> None:
    """Put tensors into the parameters of their names.

    Raises
    ------
    CacheError
        A name that the network does not have, or another shape.
    """
    parameters = dict(network.tensors())
    with torch.no_grad():
        for name, value in tensors.items():
            if name not in parameters or parameters[name].shape != value.shape:
                raise CacheError(f"{where}: the tensor '{name}' has no place in the model that its plan describes.")
            parameters[name].copy_(value)


def _save_whole(folder: Path, network: Network) -> list[Path]:
    """Write the model and its tokenizer beside one another first, and move them when they are whole."""
    loaded = network.loaded
    with (
        run_disk_errors(folder, "the tuned model"),
        tempfile.TemporaryDirectory(dir=folder, prefix=SAVING.rstrip("*")) as place,
    ):
        with quiet():
            loaded.model.save_pretrained(place)
            loaded.tokenizer.save_pretrained(place)
        umask = os.umask(0)
        os.umask(umask)
        readable = 0o666 & ~umask  # safetensors writes for the owner alone
        files = [file for file in sorted(Path(place).rglob("*")) if file.is_file()]
        moved = []
        for file in files:
            to = folder / file.relative_to(place)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(file, to)
            to.chmod(readable)
            moved.append(to)
    return moved
