"""That the last layer, read by the final norm and the head, gives what the model itself says of the same tokens.

Enters: predicted tokens, the ids that the model read for them. Leaves: a :class:`Certificate`, or an error. It covers
what goes wrong with lenses: a norm that is left out or done twice, another head, another model, other ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from probekit.behaviour.scoring.scorer import padded
from probekit.errors import NumericError
from probekit.models.runtime.check import rows_to_check
from probekit.models.runtime.ending import Ending
from probekit.models.runtime.forward import forward
from probekit.viewing.predictions.tokens import IntArray, Part

LARGEST = {"float32": 1e-4, "float16": 2e-2, "bfloat16": 8e-2}
"""Difference that is let pass, as a share of the largest logit, by what the states were computed or kept in."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """How far the last layer's reading is from the model's own logits.

    Attributes
    ----------
    difference : float
        The largest, as a share of the largest logit.
    logits : float
        The largest logit's size.
    tolerance : float
    places, sentences : int
        How many were compared.
    """

    difference: float
    logits: float
    tolerance: float
    places: int
    sentences: int

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def certify(ending: Ending, part: Part, texts: Sequence[tuple[IntArray, IntArray, IntArray]], kept: str) -> Certificate:
    """Compare the reading of the last layer with a plain pass of the model, row by row.

    Parameters
    ----------
    ending : Ending
    part : Part
    texts : sequence of (ids, places, which)
        What the model reads; where in it it predicts; which of the part those predictions are.
    kept : {"float32", "float16", "bfloat16"}
        The coarser one of what states were computed and kept in.

    Raises
    ------
    NumericError
        They differ, or are no numbers.
    """
    apart: list[float] = []
    sizes: list[float] = []
    loaded = ending.loaded
    compared = rows_to_check([len(ids) for ids, _, _ in texts])
    for ids, at, which in (texts[number] for number in compared):
        own = forward(loaded, padded([ids], loaded.pad_id)).logits[0][torch.from_numpy(at).to(loaded.device)].float()
        states = torch.from_numpy(part.states(ending.layer, which)).to(loaded.device, loaded.dtype)
        with torch.inference_mode():
            read = ending.logits(states).float()
        apart.append(float((read - own).abs().max()))
        sizes.append(float(own.abs().max()))
    worst, largest = float(np.max(apart)), float(np.max(sizes))  # of which none hides what is no number
    share = worst / max(largest, 1e-30)
    if not (np.isfinite(share) and share <= LARGEST[kept]):
        raise NumericError(
            f"Layer {ending.layer} read by the final norm and the head of '{loaded.source.name}' is not what the model "
            f"says of the same tokens: logits differ by {worst:.1e}, {share:.1e} of the largest ({LARGEST[kept]:.0e} "
            f"allowed for {kept}), so no layer is shown. Was the cache made by this model and its own head, and are "
            "its states whole (probekit cache verify)?"
        )
    return Certificate(share, largest, LARGEST[kept], sum(len(texts[number][1]) for number in compared), len(compared))
