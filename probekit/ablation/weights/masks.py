"""Masks over the weights of a model: which stay, and which are zero.

Enters: a loaded model, or the weights of its matrices. Leaves: masks, and a context in which the model has the masked
weights; behind it, or behind an error, it has its own, bit for bit. Surprise: a mask leaves out exactly the share that
is asked for, of equal weights the first.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

from probekit import plain
from probekit.errors import InputError, UsageError

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel

SCOPES = ("global", "matrix")
Masks = Mapping[str, torch.Tensor]
"""Name of a matrix -> which of its weights stay, bool of its shape."""
Matrices = dict[str, torch.Tensor]


def prunable(loaded: LoadedModel) -> tuple[Matrices, Counter[str]]:
    """Return the matrices of the blocks of a model, and how many weights are no part of them.

    Parameters
    ----------
    loaded : LoadedModel
        With its stacks.

    Returns
    -------
    matrices : dict of str to Tensor
        The parameters themselves, by their names in the base model.
    left_out : Counter
        What other weights are of -> how many there are.

    Raises
    ------
    UsageError
        The blocks have no matrix.
    """
    base = loaded.model.base_model
    blocks = [block for stack in loaded.stacks for block in stack.blocks.outputs]
    inside = {id(parameter) for block in blocks for parameter in block.parameters()}
    tables = {id(part.weight) for part in loaded.model.modules() if isinstance(part, nn.Embedding)}
    found: Matrices = {}
    left_out: Counter[str] = Counter()
    names = {id(parameter): name for name, parameter in base.named_parameters()}
    for parameter in loaded.model.parameters():
        if id(parameter) in tables:
            left_out["embeddings"] += parameter.numel()
        elif parameter.ndim < 2:
            left_out["biases and norms"] += parameter.numel()
        elif id(parameter) not in inside:
            left_out["matrices outside of the blocks"] += parameter.numel()
        elif parameter.ndim > 2:
            left_out["tensors of more than two dimensions"] += parameter.numel()
        else:
            found[names[id(parameter)]] = parameter.data
    if not found:
        raise UsageError(f"The blocks of '{loaded.source.name}' have no matrix of weights.")
    return found, left_out


def by_magnitude(weights: Mapping[str, torch.Tensor], sparsity: float, scope: str) -> dict[str, torch.Tensor]:
    """Return masks without the smallest weights.

    Parameters
    ----------
    weights : mapping of str to Tensor
    sparsity : float
        Share that is left out, rounded to whole weights.
    scope : {"global", "matrix"}
        The smallest of all matrices, or of each.

    References
    ----------
    Han et al. 2015, https://arxiv.org/abs/1506.02626
    """
    plain.choice(scope, "scope", SCOPES)
    if scope == "matrix":
        return {name: _largest(matrix.flatten(), sparsity).view(matrix.shape) for name, matrix in weights.items()}
    kept = _largest(torch.cat([matrix.flatten() for matrix in weights.values()]), sparsity)
    parts = kept.split([matrix.numel() for matrix in weights.values()])
    return {name: part.view(matrix.shape) for (name, matrix), part in zip(weights.items(), parts, strict=True)}


def at_random(masks: Masks, seed: str) -> dict[str, torch.Tensor]:
    """Return masks that leave out as many weights of every matrix, drawn at random."""
    return {name: _drawn(mask, f"{seed} {name}") for name, mask in masks.items()}


def sparsity_of(masks: Masks) -> float:
    """Return the share of weights that masks leave out."""
    return 1 - sum(int(mask.sum()) for mask in masks.values()) / sum(mask.numel() for mask in masks.values())


@contextmanager
def pruned(matrices: Mapping[str, torch.Tensor], masks: Masks) -> Iterator[None]:
    """Let a model have masked weights while the context lasts.

    Parameters
    ----------
    matrices : mapping of str to Tensor
        Of :func:`prunable`.
    masks : mapping of str to bool Tensor

    Raises
    ------
    InputError
        A mask is of a matrix that the model does not have, or of another shape.
    """
    for name, mask in masks.items():
        if name not in matrices or matrices[name].shape != mask.shape:
            has = f"of shape {list(matrices[name].shape)}" if name in matrices else "not among its matrices"
            raise InputError(f"The mask of '{name}', of shape {list(mask.shape)}, does not fit the model: it is {has}.")
    own = {name: matrices[name].clone() for name in masks}
    try:
        for name, mask in masks.items():
            matrices[name].masked_fill_(~mask.to(matrices[name].device), 0)
        yield
    finally:
        for name, before in own.items():
            matrices[name].copy_(before)


def _largest(weights: torch.Tensor, sparsity: float) -> torch.Tensor:
    """Return which weights are the largest, bool [n]; exactly a share of them is not."""
    sizes = weights.abs().float().cpu()
    gone = round(sparsity * len(sizes))
    kept = torch.ones(len(sizes), dtype=torch.bool)
    if gone:
        bound = sizes.kthvalue(gone).values
        kept = sizes > bound
        ties = (sizes == bound).nonzero()[:, 0]
        kept[ties[gone - int((sizes < bound).sum()) :]] = True
    return kept


def _drawn(mask: torch.Tensor, name: str) -> torch.Tensor:
    key = hashlib.sha256(name.encode()).digest()
    draw = torch.Generator().manual_seed(int.from_bytes(key[:8], "little") >> 1)
    found = torch.zeros(mask.numel(), dtype=torch.bool)
    found[torch.randperm(mask.numel(), generator=draw)[: int(mask.sum())]] = True
    return found.view(mask.shape)
