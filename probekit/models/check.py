"""Does a batch give what single sentences give? Asked of every model before its states are kept.

Enters: a loaded model and a few encoded examples. Leaves: nothing, or a NumericError. Surprise:
left padding is tried too, although extraction pads on the right: it is the sharper test of masks
and positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from probekit.errors import NumericError
from probekit.models.forward import Batch, forward, pad
from probekit.models.hooks import Capture

if TYPE_CHECKING:
    from probekit.models.align import Encoded
    from probekit.models.load import LoadedModel

# Largest difference between batched and single, as a share of the layer's largest magnitude.
TOLERANCES = {torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 2e-2}
ROWS = 3
TOKENS = 48


def self_check(loaded: LoadedModel, encoded: Sequence[Encoded], layers: Sequence[str]) -> dict[str, float]:
    """Compare a padded batch, padded right and left, with its rows run one by one.

    Parameters
    ----------
    loaded : LoadedModel
    encoded : sequence of Encoded
        Candidates; three of different lengths are used, short ones if there are any.
    layers : sequence of str
        Tensor names.

    Returns
    -------
    dict
        Layer -> largest difference found, as a share of the layer's largest magnitude.

    Raises
    ------
    NumericError
        A state is not finite, or the difference is over the tolerance of the precision (float32
        1e-5, float16 5e-3, bfloat16 2e-2); the message names layer and example.
    """
    rows = _choose(encoded)
    if not rows:
        return {}
    worst = dict.fromkeys(layers, 0.0)
    sides = ("right", "left") if loaded.left_padding and len({len(row.ids) for row in rows}) > 1 else ("right",)
    with Capture(loaded, layers) as capture:
        alone = []
        for row in rows:
            forward(loaded, pad([row], loaded.pad_id))
            alone.append({name: capture.states[name][0].float() for name in layers})
        for side in sides:
            batch = pad(rows, loaded.pad_id, side)
            forward(loaded, batch)
            for name in layers:
                worst[name] = max(worst[name], _compare(loaded, batch, name, capture.states[name], alone))
    return worst


def _choose(encoded: Sequence[Encoded]) -> list[Encoded]:
    """Return the shortest, a middle and the longest of the examples that are short enough to be cheap."""
    ordered = sorted((item for item in encoded if len(item.ids)), key=lambda item: len(item.ids))
    short = [item for item in ordered if len(item.ids) <= TOKENS] or ordered[:ROWS]
    places = sorted({0, len(short) // 2, len(short) - 1}) if short else []
    return [short[place] for place in places]


def _compare(
    loaded: LoadedModel, batch: Batch, name: str, states: torch.Tensor, alone: list[dict[str, torch.Tensor]]
) -> float:
    """Return the largest difference of one layer, as a share of its largest magnitude."""
    width = batch.ids.shape[1]
    kept = []
    for row, length in enumerate(batch.lengths.tolist()):
        places = slice(width - length, width) if batch.side == "left" else slice(0, length)
        kept.append(states[row, places].float())
    largest = max(float(part.abs().max()) for part in kept)
    tolerance = TOLERANCES[loaded.dtype]
    worst = 0.0
    for row, part in enumerate(kept):
        single = alone[row][name]
        if not bool(torch.isfinite(part).all() and torch.isfinite(single).all()):
            advice = " Try --dtype bfloat16 or float32." if loaded.dtype == torch.float16 else ""
            raise NumericError(f"{name} is not finite for the example with ids {_shown(batch, row)}.{advice}")
        difference = float((part - single).abs().max()) / max(largest, 1e-30)
        if difference > tolerance:
            raise NumericError(
                f"A batch padded on the {batch.side} does not give what single sentences give: {name} differs by "
                f"{difference:.1e} of its largest magnitude ({tolerance:.0e} allowed for {str(loaded.dtype)[6:]}) in "
                f"the example with ids {_shown(batch, row)}. The states of this model cannot be trusted; its family "
                f"('{loaded.config.model_type}') may treat masks or positions in a way of its own."
            )
        worst = max(worst, difference)
    return worst


def _shown(batch: Batch, row: int) -> str:
    ids = batch.ids[row][batch.real()[row]].tolist()
    return " ".join(map(str, ids[:8])) + (" .." if len(ids) > 8 else "")
