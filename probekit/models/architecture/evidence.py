"""What one call of a trial tells: that a module is linear, that attention has so many heads, that two rows are equal.

Enters: calls and tensors of a :class:`~probekit.models.architecture.watching.Trial`. Leaves: plain answers.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional

from probekit.models.architecture.watching import SDPA, SOFTMAX, TOKENS, Call

CLOSE = 1e-5
"""Share of the largest magnitude up to which two rows are one: products of other shapes differ in their last bits."""


def is_linear(call: Call) -> bool:
    """Whether a module multiplies by a matrix of its own: it has no parts, and a parameter between its two widths."""
    module = call.module
    if module is None or call.read is None or any(True for _ in module.children()):
        return False
    widths = sorted((width_of(call.read), width_of(call.gave)))
    return any(sorted(part.shape) == widths for part in module.parameters(recurse=False) if part.ndim == 2)


def is_product(call: Call) -> bool:
    """Whether a module returns the very product of what it reads and its matrix."""
    assert call.module is not None
    assert call.read is not None
    given = call.gave if isinstance(call.gave, torch.Tensor) else call.gave[0]
    read = call.read.reshape(-1, call.read.shape[-1])
    parts = list(call.module.parameters(recurse=False))
    added = [None, *(part for part in parts if part.shape == given.shape[-1:])]
    for part in parts:
        if part.shape == (given.shape[-1], read.shape[-1]):
            products = (functional.linear(read.to(part), part, bias) for bias in added)
            if any(close(product, given.reshape(product.shape).to(part)) for product in products):
                return True
    return False


def width_of(value: Any) -> int:
    """Return the width of a tensor, or of the first of several."""
    first = value[0] if isinstance(value, tuple | list) and value else value
    return first.shape[-1] if isinstance(first, torch.Tensor) and first.ndim else 0


def heads_in(call: Call, wanted: Any) -> tuple[int, int]:
    """Return how many heads a softmax or an attention is over, and along which axis of what it gives; or 0 heads."""
    tensor = call.read
    if tensor is None or tensor.ndim < 3:
        return 0, 0
    if call.function == SDPA:
        return int(tensor.shape[-3]), call.gave.ndim - 3
    if tensor.ndim == 3:  # the heads of a row behind one another
        return (len(tensor) // 2 if tensor.shape[1] == TOKENS and len(tensor) % 2 == 0 else 0), 0
    if tensor.shape[-2] == TOKENS and math.prod(tensor.shape[:-3]) == 2:
        return int(tensor.shape[-3]), tensor.ndim - 3
    axes = [axis for axis in range(1, tensor.ndim) if tensor.shape[axis] == wanted]  # of attention in windows
    return (int(wanted), axes[0]) if axes else (0, 0)


def without_last_head(gave: torch.Tensor, axis: int) -> torch.Tensor:
    """Return what an attention gave, with nothing of its last head in the second half of it, the second row."""
    changed = gave.clone()
    rows = changed if axis else changed.view(2, len(changed) // 2, *changed.shape[1:])
    rows[len(rows) // 2 :].select(axis or 1, -1).zero_()
    return changed


def are_side_by_side(rows: torch.Tensor, heads: int) -> bool:
    """Whether two rows [2, places, width], the second without its last head, differ in its columns and no others.

    A column of nothing in either row, as of a pruned value, tells nothing.
    """
    least, size = CLOSE * rows.abs().max().float(), rows.shape[2] // heads
    differ = (rows[0] - rows[1]).abs().float().amax(0) > least
    told = rows[0].abs().float().amax(0) > least
    last = differ[-size:]
    return rows.shape[2] % heads == 0 and bool((last == told[-size:]).all() and last.any() and not differ[:-size].any())


def are_weights(call: Call, heads: int) -> bool:
    """Whether a softmax gave one weight of every head for each pair of tokens, and nothing beside."""
    shapes = (2, heads, TOKENS, TOKENS), (2 * heads, TOKENS, TOKENS)
    return call.function == SOFTMAX and isinstance(call.gave, torch.Tensor) and tuple(call.gave.shape) in shapes


def weights_in(gave: Any, heads: int) -> int | None:
    """Return which of the things that a module returned are the weights of all heads, [2, heads, places, places]."""
    for place, value in enumerate(gave if isinstance(gave, tuple) else ()):
        if isinstance(value, torch.Tensor) and value.shape == (2, heads, TOKENS, TOKENS):
            ones = torch.ones_like(value[..., 0])
            if torch.allclose(value.sum(-1), ones, atol=1e-2) and bool((value >= 0).all()):
                return place
    return None


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors are one, but for the last bits."""
    allowed = CLOSE if one.dtype == torch.float32 else 1e-2
    one, other = one.float(), other.float()
    return bool((one - other).abs().max() <= allowed * max(float(one.abs().max()), 1e-30))
