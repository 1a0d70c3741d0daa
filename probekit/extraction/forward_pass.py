"""The forward pass: a batch of segments in, the kept rows of every layer out.

Enters: a live model. Leaves: float arrays in the stored precision, one block a layer, rows of kept tokens only.
Bfloat16 leaves as uint16, because NumPy has no such type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

import numpy as np
import torch

from probekit.extraction.layout import Segment, kept_pairs, kept_rows
from probekit.extraction.pooled import BatchPart, RowSums
from probekit.models.runtime.check import TOLERANCES, Difference, differences, is_ragged, refuse, row_label
from probekit.models.runtime.forward import forward, pad
from probekit.models.runtime.hooks import Capture
from probekit.models.sources.load import LoadedModel
from probekit.sites import DECODER, split_stack

STORED = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class BatchRows:
    """What a batch gave: the kept rows of every layer.

    Attributes
    ----------
    blocks : dict of str to Tensor
        One [rows, width] CPU tensor a name, in the stored precision; of attention weights [pairs, heads].
    largest : dict of str to float
        Largest magnitude of each block; NaN or infinity if it holds one. It is taken where the
        model ran, while the block is still warm there.
    """

    blocks: dict[str, torch.Tensor]
    largest: dict[str, float]


class ForwardPass(Protocol):
    """What turns a batch into rows; tests put deterministic arrays in its place."""

    def run(self, segments: Sequence[Segment], sums: RowSums | None = None) -> BatchRows:
        """Return the kept rows of a batch; with `sums` those that pool tokens and are whole after this batch."""

    def read(self, segments: Sequence[Segment]) -> None:
        """Run a batch whose rows nobody keeps."""

    def compare(self, segments: Sequence[Segment], rows: Sequence[int]) -> list[Difference]:
        """Compare rows of the batch that was just run with the same rows alone."""

    def refuse(self, found: Sequence[Difference], segments: Sequence[Segment]) -> None:
        """Raise the NumericError of a difference that is too large."""

    @property
    def tolerance(self) -> float:
        """The largest difference that is allowed."""


class ModelPass:
    """Runs the model in this process."""

    def __init__(self, loaded: LoadedModel, names: Sequence[str], *, store: str) -> None:
        self.loaded = loaded
        self.names = list(names)
        self.store = STORED[store]
        self.capture = Capture(loaded, self.names, stop=True)
        self.shifts = {split_stack(name)[0] == DECODER for name in self.names}
        self.ragged = {split_stack(name)[0] == DECODER for name in self.names if is_ragged(name)}

    def __enter__(self) -> ModelPass:
        self.capture.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.capture.__exit__(kind, error, trace)

    def run(self, segments: Sequence[Segment], sums: RowSums | None = None) -> BatchRows:
        """Run one batch and gather its kept rows, pooled where they are asked for so."""
        self.read(segments)
        width = max(len(segment.encoded.ids) for segment in segments)
        longer = 0 if all(segment.encoded.suffix for segment in segments) else 1
        widths = {False: width, True: width + longer}
        indexes = {shift: self._index(kept_rows(segments, widths[shift], shift=shift)) for shift in self.shifts}
        pairs = {shift: self._index(kept_pairs(segments, widths[shift], shift=shift)) for shift in self.ragged}
        parts: dict[bool, BatchPart] = {}
        if sums is not None:
            for stack in dict.fromkeys(split_stack(name)[0] for name in self.names):
                shift, index = stack == DECODER, indexes[stack == DECODER]
                parts[shift] = sums.next(stack, len(segments) * widths[shift] if index is None else len(index))
                tokens = self._index(parts[shift].tokens)
                indexes[shift] = tokens if index is None else index[tokens]
        blocks = {}
        for name in self.names:
            shift = split_stack(name)[0] == DECODER
            state = self.capture.states[name]
            if is_ragged(name):  # [batch, heads, token, token] -> [pairs, heads]
                state = state[:, :, : widths[shift], : widths[shift]].permute(0, 2, 3, 1)
                index = pairs[shift]
            else:
                state = state[:, : widths[shift]]  # some models pad inside, to whole blocks
                index = indexes[shift]
            flat = state.reshape(-1, state.shape[-1])
            # Over several devices, each layer lies where its block ran.
            kept = flat if index is None else flat.index_select(0, index.to(flat.device))
            if sums is not None:
                kept = sums.means(name, parts[shift], kept)
            blocks[name] = kept.to(self.store)
        # One transfer for all layers: on a GPU each would wait for the device.
        sizes = torch.stack([_largest(block).to(self.loaded.device) for block in blocks.values()]).tolist()
        return BatchRows(
            {name: block.to("cpu").contiguous() for name, block in blocks.items()},
            dict(zip(self.names, sizes, strict=True)),
        )

    def read(self, segments: Sequence[Segment]) -> None:
        """Run one batch; its states stay with the model until the next."""
        forward(self.loaded, pad([segment.encoded for segment in segments], self.loaded.pad_id))

    def compare(self, segments: Sequence[Segment], rows: Sequence[int]) -> list[Difference]:
        """Compare in the computing precision; see :func:`probekit.models.runtime.check.differences`."""
        return differences(self.loaded, self.capture, {row: segments[row].encoded for row in rows})

    def refuse(self, found: Sequence[Difference], segments: Sequence[Segment]) -> None:
        """Name layer and example; see :func:`probekit.models.runtime.check.refuse`."""
        refuse(self.loaded, found, [row_label(segment.encoded, segment.name) for segment in segments])

    @property
    def tolerance(self) -> float:
        """That of the computing precision."""
        return TOLERANCES[self.loaded.dtype]

    def _index(self, rows: np.ndarray[Any, Any] | None) -> torch.Tensor | None:
        return None if rows is None else torch.from_numpy(rows).to(self.loaded.device)


def as_stored(block: torch.Tensor) -> np.ndarray[Any, Any]:
    """View a CPU tensor as the NumPy array that is written to disk."""
    return block.view(torch.uint16).numpy() if block.dtype == torch.bfloat16 else block.numpy()


def _largest(block: torch.Tensor) -> torch.Tensor:
    if not len(block):  # no row of this batch is whole yet
        return torch.zeros((), device=block.device)
    low, high = torch.aminmax(block)
    return torch.maximum(-low, high).float()
