"""One forward pass over padded rows, so that a batch gives what single sentences give.

Enters: encoded examples. Leaves: nothing; the states are read by :class:`~probekit.models.runtime.hooks.Capture`.
Position numbers are passed only where the model's own would be wrong, which is under left padding; extraction pads on
the right, and every pass starts from the model as it was loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from probekit.errors import ProbekitError, UsageError, reason_of
from probekit.models.architecture.restoring import restored

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel
    from probekit.models.tokens.align import Encoded


class AllRead(BaseException):
    """Ends a pass behind the last place that is read; no Exception, so that no code of a model takes it for its own."""


@dataclass(frozen=True, slots=True)
class PaddedBatch:
    """Padded rows.

    Attributes
    ----------
    ids : int64 array [rows, width]
    lengths : int64 array [rows]
        Tokens of each row, special ones included.
    side : {"right", "left"}
        Where the pads are.
    closed : bool
        The tokenizer ends a text with a token of its own.
    """

    ids: NDArray[np.int64]
    lengths: NDArray[np.int64]
    side: str = "right"
    closed: bool = True

    @property
    def padded(self) -> bool:
        """Whether any row is shorter than the widest."""
        return bool((self.lengths != self.ids.shape[1]).any())

    def real(self) -> NDArray[np.bool_]:
        """Return where the tokens are that are no pads, [rows, width]."""
        places = np.arange(self.ids.shape[1])
        if self.side == "left":
            return places >= (self.ids.shape[1] - self.lengths)[:, None]
        return places < self.lengths[:, None]


def pad(encoded: Sequence[Encoded], pad_id: int, side: str = "right") -> PaddedBatch:
    """Lay encoded examples side by side.

    Parameters
    ----------
    encoded : sequence of Encoded
    pad_id : int
    side : {"right", "left"}

    Returns
    -------
    PaddedBatch
    """
    if side not in ("right", "left"):
        raise UsageError(f"The `side` option must be right or left. Got '{side}'.")
    lengths = np.array([len(item.ids) for item in encoded], np.int64)
    ids = np.full((len(encoded), int(lengths.max())), pad_id, np.int64)
    batch = PaddedBatch(ids, lengths, side, closed=all(item.suffix for item in encoded))
    # Row by row, a boolean mask visits the places in the order of the concatenated ids.
    ids[batch.real()] = np.concatenate([item.ids for item in encoded])
    return batch


def forward(loaded: LoadedModel, batch: PaddedBatch) -> Any:
    """Run the model once, without gradients and without a cache of keys and values.

    Parameters
    ----------
    loaded : LoadedModel
    batch : PaddedBatch

    Returns
    -------
    ModelOutput or None
        What the model returns; None where a capture has ended the pass before that.

    Raises
    ------
    UsageError
        The model's own code fails on these rows.
    """
    with model_inputs(loaded, batch) as inputs, torch.inference_mode():
        try:
            return loaded.model(**inputs)
        except AllRead:
            return None


@contextmanager
def model_inputs(loaded: LoadedModel, batch: PaddedBatch) -> Iterator[dict[str, torch.Tensor]]:
    """Give what the model takes for a batch, and put the model back as it was behind the one pass that reads it.

    An encoder-decoder's decoder reads the same ids one place later, behind its start token: row t
    of its states is about the token it reads at t, and a closing token is never read. Where the tokenizer
    adds none, the decoder reads one place more, so that no word is lost.

    Parameters
    ----------
    loaded : LoadedModel
    batch : PaddedBatch

    Yields
    ------
    dict of str to Tensor
        By the names of the model's arguments.

    Raises
    ------
    UsageError
        The model's own code fails on these rows.
    """
    device = loaded.device
    ids = torch.from_numpy(batch.ids).to(device, non_blocking=True)
    inputs: dict[str, torch.Tensor] = {"input_ids": ids}
    real = torch.from_numpy(batch.real()).to(device, non_blocking=True) if batch.padded else None
    if real is not None and loaded.takes_mask:
        inputs["attention_mask"] = real.long()
    if loaded.decoder_start_id is not None:
        longer = extra_places(batch)
        wider = nn.functional.pad(ids, (0, longer), value=loaded.pad_id)
        told = PaddedBatch(np.pad(batch.ids, ((0, 0), (0, longer))), batch.lengths + longer, batch.side)
        inputs["decoder_input_ids"] = _shifted(wider, told, loaded.decoder_start_id)
        if "attention_mask" in inputs:
            mask = torch.from_numpy(told.real()).to(device, non_blocking=True)
            inputs["decoder_attention_mask"] = mask.long()
    positions = _positions(loaded, batch, real)
    context: Any = nullcontext()
    if positions is not None:
        if loaded.takes_positions:
            inputs["position_ids"] = positions
        elif loaded.family.positions is not None:
            context = loaded.family.positions(loaded.model, [positions] * len(loaded.stacks))
    with restored(loaded.model), context, _as_usage_error(loaded, batch):
        yield inputs


@contextmanager
def _as_usage_error(loaded: LoadedModel, batch: PaddedBatch) -> Iterator[None]:
    """Say which model it is that cannot read some rows; what says more by itself passes through."""
    try:
        yield
    except (ProbekitError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever the code of some 250 types raises
        raise UsageError(
            f"The model '{loaded.source.name}' (type '{loaded.config.model_type}') cannot read "
            f"{len(batch.ids)} {'padded ' * batch.padded}row(s) of up to {batch.ids.shape[1]} tokens: its own code "
            f"ends in {reason_of(error)}. The sizes in its config.json do not fit one another, or this type is broken "
            "in the installed transformers. Choose another model, or another version."
        ) from error


def extra_places(batch: PaddedBatch) -> int:
    """Return how many places more than the encoder a decoder reads: one where no token closes a text."""
    return 0 if batch.closed or batch.side == "left" else 1


def _shifted(ids: torch.Tensor, batch: PaddedBatch, start: int) -> torch.Tensor:
    """[start, id 0, .., id n-2] in the places of [id 0, .., id n-1]; pads stay."""
    lengths = torch.from_numpy(batch.lengths).to(ids.device)
    first = ids.shape[1] - lengths if batch.side == "left" else torch.zeros_like(lengths)
    shifted = ids.roll(1, dims=1)
    shifted[torch.arange(len(ids), device=ids.device), first] = start
    columns = torch.arange(ids.shape[1], device=ids.device)
    real = (columns >= first[:, None]) & (columns < (first + lengths)[:, None])
    return torch.where(real, shifted, ids)


def _positions(loaded: LoadedModel, batch: PaddedBatch, real: torch.Tensor | None) -> torch.Tensor | None:
    """Return position numbers [rows, width], or None where the model's own are right."""
    if real is None or batch.side == "right":
        return None
    return (real.long().cumsum(1) - 1).clamp_(min=0) + loaded.position_offset
