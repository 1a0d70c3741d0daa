"""One layer of a cache: mapped blocks, copies of rows, or the whole as float32.

A tensor's spec and the function that maps its blocks enter, arrays leave. Surprise: `blocks` gives
what is stored (bfloat16 as uint16 bits, as numpy has no such dtype), everything else float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from probekit import plain
from probekit.cache.format.names import TensorSpec
from probekit.errors import ResourceError, UsageError


class RowError(UsageError, IndexError):
    """What names no rows of a layer; an IndexError too, so that going through a layer ends where its rows do."""


class LayerView:
    """One layer of a cache, not in memory until asked for; `ActivationCache.layer` makes it.

    Attributes
    ----------
    name : str
        The tensor: ``layer.03``.
    shape : tuple
        (rows, width).
    dtype : str
        As stored: ``float32``, ``float16`` or ``bfloat16``.
    """

    def __init__(
        self, spec: TensorSpec, rows: Sequence[int], *, block: Callable[[str, int], NDArray[Any]], where: str
    ) -> None:
        self.name = spec.name
        self._rows = rows
        self._block = block
        self._where = where
        self._starts = np.concatenate([[0], np.cumsum(rows)])
        self.dtype = spec.dtype
        self.shape = (int(self._starts[-1]), spec.width)

    def __len__(self) -> int:
        return self.shape[0]

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield one read-only mapped array [rows, width] a shard, as stored (bfloat16: uint16 bits)."""
        for number in range(len(self._rows)):
            yield self._block(self.name, number)

    def float_blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield one float32 array [rows, width] a shard: mapped where float32 is stored, else converted."""
        for block in self.blocks():
            yield block if block.dtype == np.float32 else as_float32(block)

    def array(self) -> NDArray[np.float32]:
        """Return the whole layer as float32 [rows, width].

        Raises
        ------
        ResourceError
            If it does not fit into the memory that is available.
        """
        needed = 4 * self.shape[0] * self.shape[1]
        free = available_memory()
        if free is not None and needed > free:
            raise ResourceError(
                f"{self.name} of {self._where} needs {needed / 1e9:.1f} GB of memory as float32; "
                f"{free / 1e9:.1f} GB are available. Read it in blocks, or use a machine with more memory."
            )
        found = np.empty(self.shape, np.float32)
        for start, block in zip(self._starts, self.blocks(), strict=False):
            _copy(block, found[start : start + len(block)])
        return found

    def __getitem__(self, rows: int | slice | ArrayLike) -> NDArray[np.float32]:
        """Return a float32 copy of some rows, in the order asked for; a number gives one vector.

        Raises
        ------
        RowError
            What names no rows: a fraction, a row that is not there, a mask of another length, columns.
        """
        if isinstance(rows, slice):
            ends = (rows.start, rows.stop, rows.step)
            numbers = [None if end is None else plain.as_whole(end) for end in ends]
            if numbers.count(None) > ends.count(None) or numbers[2] == 0:
                raise RowError(f"A slice of rows is made of whole numbers, its step not 0. Got {rows!r:.80}.")
            return self._gather(np.arange(*slice(*numbers).indices(len(self))))
        if isinstance(rows, tuple):
            raise RowError("Rows are numbered by one index: a list or an array of them. Take columns of what it gives.")
        try:
            wanted = np.asarray(rows)
        except (TypeError, ValueError, RuntimeError) as error:  # lists of several lengths, tensors elsewhere
            raise RowError(f"Rows are whole numbers; {error}.") from None
        if wanted.dtype == bool:
            if wanted.shape != (len(self),):
                raise RowError(f"A mask must have {len(self)} entries; got {wanted.shape}.")
            wanted = np.flatnonzero(wanted)
        if wanted.dtype == object and wanted.ndim == 1:
            # Whole numbers of pandas, whose column may have holes.
            numbers = [plain.as_whole(row) for row in wanted]
            if None not in numbers:
                wanted = np.array(numbers)
        if wanted.size and not np.issubdtype(wanted.dtype, np.integer):
            raise RowError(f"Rows are whole numbers; got {wanted.dtype}.")
        if wanted.ndim > 1:
            raise RowError(f"Rows are numbered by one index; got an array of shape {wanted.shape}.")
        if wanted.size and not -len(self) <= int(wanted.min()) <= int(wanted.max()) < len(self):
            raise RowError(f"Rows run from 0 to {len(self) - 1}.")
        flat = np.atleast_1d(wanted).astype(np.int64)
        found = self._gather(np.where(flat < 0, flat + len(self), flat))
        return found[0] if wanted.ndim == 0 else found

    def _gather(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        found = np.empty((len(rows), self.shape[1]), np.float32)
        shard = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(shard):
            here = np.flatnonzero(shard == number)
            block = self._block(self.name, int(number))
            found[here] = as_float32(block[rows[here] - self._starts[number]])
        return found


def available_memory() -> int | None:
    """Return the bytes of memory that can be had without swapping, where the system tells."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def as_float32(block: NDArray[Any]) -> NDArray[np.float32]:
    """Return a float32 copy of a block; uint16 is taken for the bits of bfloat16."""
    if block.dtype == np.uint16:
        return (block.astype(np.uint32) << 16).view(np.float32)
    return block.astype(np.float32)


def _copy(block: NDArray[Any], out: NDArray[np.float32]) -> None:
    if block.dtype == np.uint16:
        bits = out.view(np.uint32)
        bits[...] = block
        bits <<= 16
    else:
        out[...] = block
