"""A student that starts with blocks of its teacher [1]_.

Enters: a network of k blocks before anything is measured of it, a teacher of n blocks, k or more, of the same shape.
Leaves: the network with k of these blocks and with what runs before them. Of an ensemble it is the member that was best
on dev. Surprise: the head is not taken, since it reads what no block of the student gives.

References
----------
.. [1] Sanh, Debut, Chaumond & Wolf 2019, DistilBERT, which starts with every second block.
"""

from __future__ import annotations

import torch
from torch import nn

from probekit import plain
from probekit.errors import UsageError
from probekit.tuning.combined import TunedEnsemble
from probekit.tuning.network.network import Network
from probekit.tuning.runs.opening import open_run

STARTS = ("lower", "alternate", "top")


def blocks_of(start: str, n: int, keep: int) -> list[int]:
    """Return which of n blocks, from 1, become those of a student of ``keep``.

    Raises
    ------
    UsageError
        There are too few, or no such way.
    """
    plain.choice(start, "start", STARTS)
    if not 1 <= keep <= n:
        raise UsageError(
            f"The teacher has {n} blocks, and a student of {keep} is to start with some of them. Set keep."
        )
    if start == "alternate":
        return [-(-block * n // keep) for block in range(1, keep + 1)]
    return list(range(1, keep + 1)) if start == "lower" else list(range(n - keep + 1, n + 1))


def put_blocks(network: Network, of: str, start: str) -> str:
    """Put blocks of a teacher into a network, and return what was put where.

    Raises
    ------
    UsageError
        The teacher is of another shape or reads other tokens; its blocks stayed as they were, under modules.
    """
    loaded = network.loaded
    teacher = open_run(TunedEnsemble.of(of).best, device=loaded.device.type)
    theirs = teacher.network.loaded
    where = f"the run in {teacher.folder}"
    if teacher.plan.modules:
        raise UsageError(f"The blocks of {where} stayed as they were, with modules in them. Leave out start.")
    if theirs.tokenizer.get_vocab() != loaded.tokenizer.get_vocab():
        raise UsageError(f"The blocks of {where} read other tokens than '{loaded.source.name}'. Leave out start.")
    taken = blocks_of(start, theirs.n_layers, loaded.n_layers)
    own, others = (list(one.stacks[0].blocks.outputs) for one in (loaded, theirs))
    inside = {id(parameter) for block in own for parameter in block.parameters()}
    if len(inside) != sum(len(list(block.parameters())) for block in own):
        raise UsageError(f"The blocks of '{loaded.source.name}' share their parameters, so none is put for another.")
    for block, number in zip(own, taken, strict=True):
        _copy(block, others[number - 1], where)
    names = {parameter: name for name, parameter in loaded.model.named_parameters()}
    outside = dict(theirs.model.named_parameters())
    with torch.no_grad():
        for parameter in network.depths.groups[0].parameters.values():
            if id(parameter) not in inside:
                _put(parameter, outside.get(names[parameter]), names[parameter], where)
    return (
        f"teacher: the model starts with blocks {', '.join(map(str, taken))} of {theirs.n_layers} and the embeddings "
        f"of {where}."
    )


def _copy(block: nn.Module, other: nn.Module, where: str) -> None:
    state, found = block.state_dict(), other.state_dict()
    with torch.no_grad():
        for name, value in state.items():
            _put(value, found.get(name), name, where)
    if odd := sorted(found.keys() - state.keys()):
        raise _unlike(odd[0], where)


def _put(value: torch.Tensor, new: torch.Tensor | None, name: str, where: str) -> None:
    if new is None or new.shape != value.shape:
        raise _unlike(name, where)
    value.copy_(new)


def _unlike(name: str, where: str) -> UsageError:
    return UsageError(f"The blocks of {where} are not of the shape of the student's ('{name}'). Leave out start.")
