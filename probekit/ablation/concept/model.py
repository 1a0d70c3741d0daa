"""The model of a study of concepts: which words it predicts, and the states that stand where they are written and read.

Enters: a loaded model with its head, the cache of its states, a readable task. Leaves: labelled states to fit erasers
on, vectors under erasures, and what is said of the words of test.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from probekit.ablation.concept.fitting import erased
from probekit.ablation.concept.readable import Readable
from probekit.ablation.concept.states import Erasers, vectors_at
from probekit.ablation.concept.used import Said, said_of_words
from probekit.ablation.concept.words import MASKED, Bearing, Texts, bearing_of, predicting_rows, written_rows
from probekit.ablation.erasers import Labelled
from probekit.ablation.passes import Row, TokenPass, laid_out
from probekit.ablation.runs import Runs, Told
from probekit.behaviour.scoring.making import Session
from probekit.cache.reader import CacheIndex
from probekit.example import SPLITS
from probekit.extraction.spec import BATCH_TOKENS
from probekit.features import TargetTable
from probekit.probing.estimators import LayerMatrix
from probekit.sites import LAYER, Site

SHARES = 4
"""Into so many parts of a batch texts are laid, so that as many erasures share it."""


class ConceptModel:
    """A model, and the texts it reads.

    Parameters
    ----------
    session : Session
        With its stack.
    index : CacheIndex
        Of the cache.

    Attributes
    ----------
    notes : list of str
        What must be said of its runs.
    """

    def __init__(self, session: Session, index: CacheIndex) -> None:
        self._loaded, self._head = session.loaded, "masked" if session.fills else "causal"
        self._mask = int(session.loaded.tokenizer.mask_token_id) if self._head == MASKED else None
        self._tokens = session.spec.batch_tokens or BATCH_TOKENS.get(
            (session.loaded.device.type, session.spec.dtype), 1024
        )
        self._texts = Texts(index)
        self._before: dict[str, dict[int, NDArray[np.float32]]] = {}
        self.notes: list[str] = []

    def bearing(self, table: TargetTable, rows: range) -> Bearing:
        """Return the words of some targets that it predicts."""
        return bearing_of(self._texts, table, rows, self._head)

    def said(self, bearing: Bearing, erasures: Sequence[Erasers], told: Told | None = None) -> Said:
        """Return what it says of words under each erasure."""
        runs = self._predicting(bearing)
        found = said_of_words(runs, erasures, told)
        self.notes += runs.notes
        return found

    def labelled(self, readable: Readable, layer: int, under: Erasers, layers: Sequence[int]) -> list[Labelled]:
        """Return labelled states of training and dev: of words as they are written, and where they are predicted.

        Parameters
        ----------
        readable : Readable
        layer : int
        under : mapping of Site to Eraser
            What is erased below.
        layers : sequence of int
            All that will be asked for without an erasure below; they are read at once.
        """
        table = readable.question.table
        train, dev = readable.rows("train"), readable.rows("dev")
        matrix = self.matrix(readable, layer, under)
        parts = [Labelled(matrix.train, readable.codes(np.array(train)), matrix.dev, readable.codes(np.array(dev)))]
        bearing = self.bearing(table, range(train.start, dev.stop))
        X = self._predicted(readable.name, bearing, layer, under, layers)[bearing.owners]
        codes, first = readable.codes(bearing.targets), bearing.targets < train.stop
        if len(np.unique(codes[first])) > 1:
            parts.append(Labelled(X[first], codes[first], X[~first], codes[~first]))
        return parts

    def matrix(self, readable: Readable, layer: int, under: Erasers) -> LayerMatrix:
        """Return the vectors of a task's targets at a layer as erasures leave them."""
        if set(under) <= {Site(LAYER, layer)}:
            whole = readable.matrix(layer)
            parts = [erased(under, layer, getattr(whole, split)) for split in SPLITS]
            return LayerMatrix(layer, *parts)
        table = readable.question.table
        runs = self._runs(written_rows(self._texts, table), len(table))
        X = vectors_at(runs, [layer], under)[layer]
        return LayerMatrix(layer, *(X[table.part(split)] for split in SPLITS))

    def _predicted(
        self, task: str, bearing: Bearing, layer: int, under: Erasers, layers: Sequence[int]
    ) -> NDArray[np.float32]:
        """Return the mean state where each word is predicted, [words, width]."""
        if under:
            return vectors_at(self._predicting(bearing), [layer], under)[layer]
        kept = self._before.setdefault(task, {})
        if layer not in kept:
            kept |= vectors_at(self._predicting(bearing), sorted({layer, *layers}), under)
        return kept[layer]

    def _predicting(self, bearing: Bearing) -> Runs[TokenPass]:
        return self._runs(predicting_rows(self._texts, bearing.words, mask=self._mask), len(bearing.words))

    def _runs(self, rows: Sequence[Row], owners: int) -> Runs[TokenPass]:
        passes = laid_out(rows, self._loaded.pad_id, max(1, self._tokens // SHARES))
        return Runs(self._loaded, passes, owners, batch_tokens=self._tokens)
