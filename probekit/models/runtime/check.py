"""Does a batch give what single sentences give? Asked of every shard before its states are kept.

Enters: a loaded model and encoded examples. Leaves: the largest differences found, by layer, or a NumericError. The
rows that are read twice are the longest, the shortest and one between, because what goes wrong often does so at one
end only: pads that are not masked, positions that change at a length, attention that is another on short inputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from probekit.errors import NumericError
from probekit.models.runtime.forward import forward, pad
from probekit.models.runtime.hooks import Capture
from probekit.sites import DECODER, site_of, split_stack

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel
    from probekit.models.tokens.align import Encoded

# Largest difference between batched and single, as a share of the layer's largest magnitude.
TOLERANCES = {torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 2e-2}


@dataclass(frozen=True, slots=True)
class Difference:
    """The largest difference of one layer between the rows of a batch and the same rows alone.

    Attributes
    ----------
    layer : str
        Tensor name.
    size : float
        As a share of the layer's largest magnitude in these rows; infinite where a row is finite in
        one of the two only, NaN where it is in neither.
    row : int
        The row of the batch.
    """

    layer: str
    size: float
    row: int


def rows_to_check(lengths: Sequence[int]) -> list[int]:
    """Return the places of the longest, a middle and the shortest of some rows, the longest first."""
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    return list(dict.fromkeys(order[place] for place in (0, len(order) // 2, -1))) if order else []


def differences(loaded: LoadedModel, capture: Capture, rows: Mapping[int, Encoded]) -> list[Difference]:
    """Compare rows of the batch that was just read, padded on the right, with the same rows alone.

    Parameters
    ----------
    loaded : LoadedModel
    capture : Capture
        Entered, and holding the states of the batch; holds those of the last single row afterwards.
    rows : mapping of int to Encoded
        Which rows of the batch, and what each reads.

    Returns
    -------
    list of Difference
        One a layer.
    """
    together = {
        row: {name: _own(name, state[row], item).clone() for name, state in capture.states.items()}
        for row, item in rows.items()
    }
    scales = {name: max(float(states[name].abs().max()) for states in together.values()) for name in capture.states}
    worst: dict[str, Difference] = {}
    for row, item in rows.items():
        forward(loaded, pad([item], loaded.pad_id))
        for name, alone in capture.states.items():
            size = _difference(together[row][name].float(), _own(name, alone[0], item).float(), scales[name])
            if name not in worst or math.isnan(size) or size > worst[name].size:
                worst[name] = Difference(name, size, row)
    return list(worst.values())


def is_ragged(name: str) -> bool:
    """Whether what stands at a place is attention weights, [batch, heads, token, token]."""
    return site_of(name).ragged


def _own(name: str, state: torch.Tensor, item: Encoded) -> torch.Tensor:
    """Return what of one row of a batch is an example's own, its pads left out."""
    places = _rows(name, item)
    return state[:, :places, :places] if is_ragged(name) else state[:places]


def _rows(name: str, item: Encoded) -> int:
    """Return how many places of a stack are an example's: a decoder has one more where no token closes a text."""
    return len(item.ids) + int(split_stack(name)[0] == DECODER and not item.suffix)


def _difference(kept: torch.Tensor, alone: torch.Tensor, scale: float) -> float:
    finite = [bool(torch.isfinite(part).all()) for part in (kept, alone)]
    if not all(finite):
        return math.inf if any(finite) else math.nan
    return float((kept - alone).abs().max()) / max(scale, 1e-30)


def refuse(loaded: LoadedModel, found: Sequence[Difference], names: Sequence[str]) -> None:
    """Raise the error of the first layer that is not finite, else of the first over the tolerance.

    Parameters
    ----------
    loaded : LoadedModel
    found : sequence of Difference
    names : sequence of str
        How each row of the batch is called in the message.

    Raises
    ------
    NumericError
    """
    tolerance = TOLERANCES[loaded.dtype]
    for item in found:
        if math.isnan(item.size):
            advice = " Try --dtype bfloat16 or float32." if loaded.dtype == torch.float16 else ""
            raise NumericError(f"{item.layer} is not finite for {names[item.row]}.{advice}")
    for item in found:
        if item.size > tolerance:
            raise NumericError(
                f"A batch does not give what single sentences give: {item.layer} differs by {item.size:.1e} of its "
                f"largest magnitude ({tolerance:.0e} allowed for {str(loaded.dtype)[6:]}) in {names[item.row]}. The "
                f"states of this model cannot be trusted; its family ('{loaded.config.model_type}') may treat masks, "
                "positions or chance in a way of its own."
            )


def row_label(item: Encoded, name: str | None) -> str:
    """Return how an example is called in a message."""
    ids = " ".join(map(str, item.ids[:8].tolist())) + (" .." if len(item.ids) > 8 else "")
    if name is None:
        return f"the example with ids {ids}"
    return f"example '{name}' ({len(item.ids)} tokens: {ids})"
