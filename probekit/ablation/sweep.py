"""Runs under an edit that compute only what the edit can change, and runs without each head that share one batch.

Enters: an edit, or a block, and states of a layer that are known already, as a cache holds them. Leaves: the states of
the layers above, as the whole run under the edit gives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from probekit.ablation.acting import action, read_tensors
from probekit.ablation.edits import Edit
from probekit.errors import UsageError
from probekit.models.architecture.sublayers import door_of
from probekit.models.runtime.attach import Rows, attached
from probekit.models.runtime.middle import Middle
from probekit.sites import FINAL, HEADS, LAYER, Site, site_of

if TYPE_CHECKING:
    from probekit.models.runtime.forward import PaddedBatch
    from probekit.models.sources.load import LoadedModel


class Resumed:
    """A model under one edit, started at the layer below it.

    Parameters
    ----------
    loaded : LoadedModel
    edit : Edit
    read : sequence of int
        Layers to return.

    Attributes
    ----------
    start : int or None
        The layer whose states :meth:`run` takes; None: the edit is at layer 0, and the whole model runs.

    Raises
    ------
    UsageError
        The model has no such place, or cannot start there.
    """

    def __init__(self, loaded: LoadedModel, edit: Edit, read: Sequence[int]) -> None:
        site = site_of(edit.site)
        if site.kind == FINAL:
            raise UsageError(f"Above '{edit.site}' there is no layer to run. Edit a layer, or inside of a block.")
        # The states of the start itself are given and not computed, so an edit at a layer that is read starts below.
        start = site.number if site.kind == LAYER and site.number not in read else site.number - 1
        self.start = start if site.number else None
        self._middle = Middle(loaded, self.start, read, site.stack)
        self._loaded = loaded
        self._action = {site: action(loaded, edit, read_tensors(edit))}

    def run(self, batch: PaddedBatch, states: torch.Tensor | None) -> tuple[dict[int, torch.Tensor], Any]:
        """Run a batch, with gradients where they are on.

        Parameters
        ----------
        batch : PaddedBatch
        states : Tensor [rows, places, width] or None
            Of layer ``start``, for these ids, without the edit.

        Returns
        -------
        dict of int to Tensor [rows, places, width], and what the model returns
        """
        with attached(self._loaded, self._action):
            return self._middle.run_whole(batch, states)


class WithoutEachHead:
    """A model without each head of a block, all heads in one batch.

    Parameters
    ----------
    loaded : LoadedModel
    block : int
        From 1.
    read : sequence of int
        Layers to return.
    stack : str

    Attributes
    ----------
    heads : int
    start : int
        The layer whose states :meth:`run` takes.

    References
    ----------
    Michel, Levy & Neubig 2019, https://arxiv.org/abs/1905.10650
    """

    def __init__(self, loaded: LoadedModel, block: int, read: Sequence[int], stack: str = "") -> None:
        self._site = Site(HEADS, block, stack)
        self._loaded = loaded
        self.heads = door_of(loaded, self._site).heads
        self.start = block - 1
        self._middle = Middle(loaded, self.start, read, stack)

    def run(self, batch: PaddedBatch, states: torch.Tensor) -> dict[int, torch.Tensor]:
        """Run a batch once, every row as often as there are heads.

        Parameters
        ----------
        batch : PaddedBatch
        states : Tensor [rows, places, width]
            Of layer ``start``, for these ids.

        Returns
        -------
        dict of int to Tensor [heads, rows, places, width]
            Layer -> its states without head 0, 1, ..
        """
        heads, rows = self.heads, len(batch.ids)

        def drop(there: torch.Tensor, told: Rows) -> torch.Tensor:
            parts = there.unflatten(-1, (heads, -1)).unflatten(0, (heads, rows))  # [heads, rows, places, heads, size]
            kept = 1 - torch.eye(heads, dtype=there.dtype, device=there.device)
            return (parts * kept[:, None, None, :, None]).flatten(3).flatten(0, 1)

        copies = replace(batch, ids=np.tile(batch.ids, (heads, 1)), lengths=np.tile(batch.lengths, heads))
        with attached(self._loaded, {self._site: drop}):
            found = self._middle.run(copies, states.repeat(heads, 1, 1))
        return {layer: state.unflatten(0, (heads, rows)) for layer, state in found.items()}
