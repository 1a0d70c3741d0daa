"""Targets with labels, and what reads them from a model: a probe of a layer, the head of a tuned run.

Enters: a corpus with such a reader, which other modules make. Leaves: :class:`Labelled`, what all of them have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from probekit.ablation.passes import Longs, Pass
from probekit.example import Example
from probekit.features import TargetTable
from probekit.models.sources.load import LoadedModel
from probekit.tasks import ProbeTask
from probekit.tuning.data.reading import ReadTokens


class Labelled(Protocol):
    """Targets, and what reads them."""

    @property
    def task(self) -> ProbeTask:
        """What they are targets of."""

    @property
    def corpus(self) -> str:
        """Name of the corpus."""

    @property
    def examples(self) -> Sequence[Example]:
        """Those of the corpus, in the order of the table's ordinals."""

    @property
    def table(self) -> TargetTable:
        """The targets, sorted by split."""

    @property
    def codes(self) -> NDArray[np.int32]:
        """The code of the label of each; -1: a label that the reader does not know."""

    @property
    def labels(self) -> list[str]:
        """The label of each."""

    @property
    def loaded(self) -> LoadedModel:
        """The model."""

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that are read."""

    @property
    def name(self) -> str:
        """Of what is measured."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What decides what is read."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What was settled of the reader."""

    @property
    def said(self) -> str:
        """What the reader is, a sentence."""

    @property
    def notes(self) -> list[str]:
        """What was left out, with names and counts."""

    def passes(self, rows: Longs, batch_tokens: int) -> Sequence[Pass]:
        """Lay the examples of some targets out as batches.

        Parameters
        ----------
        rows : int64 array
            Of the table, ascending. The owners of values are ``2 i`` for the right label of the target at ``rows[i]``
            and ``2 i + 1`` for the likeliest other one.
        batch_tokens : int
        """

    def over(self, read: ReadTokens, table: TargetTable) -> Labelled:
        """Return the same reader over other texts.

        Parameters
        ----------
        read : ReadTokens
        table : TargetTable
            Targets in those texts; the label of each is the row of this table that it was. One that no token covers is
            left out.
        """


def targets_of(table: TargetTable, split: str, limit: int | None) -> Longs:
    """Return the targets of a split, those of its first so many examples."""
    rows = np.arange(len(table))[table.part(split)]
    return rows[np.isin(table.example[rows], np.unique(table.example[rows])[:limit])]
