"""What each reading of each layer says of every predicted token.

Enters: predicted tokens, the ending of a model, readings: a layer and what is done to its states. Leaves: of every
token its cross-entropy, whether it is the likeliest, whether the likeliest is that of the last layer, and the
divergence from the last layer's distribution; and, for a control, the first two of the tokens of other places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.models.runtime.ending import Ending
from probekit.viewing.predictions.metrics import ACCURACY, AGREEMENT, CROSS_ENTROPY, DIVERGENCE, METRICS, SHUFFLED
from probekit.viewing.predictions.tokens import IntArray, Part

LOGITS_AT_ONCE = 4_000_000
"""Numbers: some 16 MB, of which a few exist at once."""

Change = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A layer, and what is done to its states before the final norm.

    Attributes
    ----------
    method : str
    layer : int
    change : callable or None
        None: they are read as they are.
    """

    method: str
    layer: int
    change: Change | None = None

    @property
    def key(self) -> tuple[str, int]:
        """What tells it from others."""
        return self.method, self.layer


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What a reading says of predicted tokens.

    Attributes
    ----------
    own : mapping of str to float64 array [n]
        By metric: nats, and 0 or 1.
    shuffled : mapping of str to float64 array [n]
        The same predictions, at tokens of other places.
    """

    own: Mapping[str, NDArray[np.float64]]
    shuffled: Mapping[str, NDArray[np.float64]]


def at_once(vocabulary: int) -> int:
    """Return how many states are read together."""
    return max(16, LOGITS_AT_ONCE // vocabulary)


def log_distributions(
    ending: Ending, part: Part, which: IntArray, readings: Sequence[Reading]
) -> Iterator[torch.Tensor]:
    """Yield of each reading the log-probabilities at some tokens, float32 [len(which), vocabulary]."""
    loaded, held = ending.loaded, {}
    for reading in readings:
        if reading.layer not in held:
            held = {reading.layer: torch.from_numpy(part.states(reading.layer, which)).to(loaded.device)}
        states = held[reading.layer]
        changed = states if reading.change is None else reading.change(states)
        yield ending.logits(changed.to(loaded.dtype)).float().log_softmax(dim=-1)


@torch.no_grad()
def score(
    ending: Ending, part: Part, readings: Sequence[Reading], *, shuffled: IntArray | None = None,
    progress: Callable[[float, str], object] | None = None,
) -> dict[tuple[str, int], Scores]:  # fmt: skip
    """Score readings at every predicted token of a part.

    Parameters
    ----------
    ending : Ending
    part : Part
    readings : sequence of Reading
    shuffled : int64 array [n], optional
        Ids of tokens of other places, for the control.
    progress : callable, optional
    """
    n = len(part)
    last = Reading("", ending.layer)
    columns = {r.key: {metric: np.empty(n) for metric in METRICS} for r in readings}
    others = {r.key: {metric: np.empty(n) for metric in SHUFFLED} for r in readings if shuffled is not None}
    step = at_once(ending.vocabulary)
    for start in range(0, n, step):
        which = np.arange(start, min(start + step, n))
        target = torch.from_numpy(part.target[which]).to(ending.loaded.device)[:, None]
        found = log_distributions(ending, part, which, [last, *readings])
        final = next(found)
        probabilities, best = final.exp(), final.argmax(dim=-1)
        for reading, logs in zip(readings, found, strict=True):
            top, own = logs.argmax(dim=-1), columns[reading.key]
            own[CROSS_ENTROPY][which] = -logs.gather(1, target)[:, 0].double().cpu().numpy()
            own[ACCURACY][which] = (top == target[:, 0]).cpu().numpy()
            own[AGREEMENT][which] = (top == best).cpu().numpy()
            # A token that the model rules out, as some do the rows that fill up their tables, adds nothing.
            terms = torch.where(probabilities > 0, probabilities * (final - logs), 0.0)
            own[DIVERGENCE][which] = terms.sum(dim=-1).clamp(min=0).double().cpu().numpy()
            if shuffled is not None:
                other = torch.from_numpy(shuffled[which]).to(ending.loaded.device)[:, None]
                control = others[reading.key]
                control[CROSS_ENTROPY][which] = -logs.gather(1, other)[:, 0].double().cpu().numpy()
                control[ACCURACY][which] = (top == other[:, 0]).cpu().numpy()
        if progress is not None:
            progress(which[-1] / n, f"{which[-1] + 1:,} of {n:,} tokens")
    return {r.key: Scores(columns[r.key], others.get(r.key, {})) for r in readings}
