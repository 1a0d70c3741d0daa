"""States under erasures: what does the erasing in a running model, and the vectors that stand there.

Enters: runs of a model, and erasers by place. Leaves: callbacks, and the mean vector of every word or target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.ablation.erasure import Eraser
from probekit.ablation.passes import TokenPass
from probekit.ablation.runs import Runs
from probekit.models.runtime.attach import Callback, Rows
from probekit.sites import Site

Erasers = Mapping[Site, Eraser]
"""Place -> what is erased there, at every token."""


def erasing(site: Site, changes: Sequence[Erasers]) -> Callback:
    """Return what erases at a place, each of some copies of the rows by its own eraser.

    Parameters
    ----------
    site : Site
    changes : sequence of mapping
        One a copy; where one has nothing for the place, nothing happens.
    """
    some = [change[site] for change in changes if site in change]
    rank, width = max(eraser.rank for eraser in some), len(some[0].mean)
    directions, duals = np.zeros((2, len(changes), rank, width), np.float32)
    means = np.zeros((len(changes), 1, width), np.float32)
    for number, change in enumerate(changes):
        if (eraser := change.get(site)) is not None:
            directions[number, : eraser.rank], duals[number, : eraser.rank] = eraser.directions, eraser.duals
            means[number, 0] = eraser.mean
    along, across, centre = (torch.from_numpy(array) for array in (directions, duals, means))

    def erase(states: torch.Tensor, rows: Rows) -> torch.Tensor:
        each = states.reshape(len(changes), -1, width)  # [copies, rows * places, width]
        amounts = (each - centre.to(states)) @ across.to(states).mT  # [copies, rows * places, rank]
        return (each - amounts @ along.to(states)).reshape(states.shape)

    return erase


def vectors_at(runs: Runs[TokenPass], layers: Sequence[int], under: Erasers) -> dict[int, NDArray[np.float32]]:
    """Return the mean state of every owner at some layers, [owners, width], under erasures.

    Parameters
    ----------
    runs : Runs
        Whose passes say which places belong to whom.
    layers : sequence of int
    under : mapping of Site to Eraser
    """
    sums: dict[int, NDArray[np.float64]] = {}
    counts = np.zeros((runs.n_texts, 1))
    callbacks = [(site, erasing(site, [under])) for site in under]
    for each in runs.passes:
        np.add.at(counts, each.owners, 1)
        for layer, states in runs.known(each, layers, callbacks).items():
            chosen = states.flatten(0, 1)[torch.from_numpy(each.places).to(states.device)]
            total = sums.setdefault(layer, np.zeros((runs.n_texts, states.shape[-1])))
            np.add.at(total, each.owners, chosen.double().cpu().numpy())
    return {layer: (total / np.maximum(counts, 1)).astype(np.float32) for layer, total in sums.items()}
