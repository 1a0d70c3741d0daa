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
from probekit.cache.index import CacheIndex
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
        self._before: tuple[dict[tuple[int, int], int], dict[int, NDArray[np.float32]]] = {}, {}
        self.notes: list[str] = []

    def bearing(self, table: TargetTable, rows: range) -> Bearing:
        """Return the words of some targets that it predicts."""
        return bearing_of(self._texts, table, rows, self._head)

    def said(self, bearing: Bearing, erasures: Sequence[Erasers], told: Told | None = None) -> Said:
        """Return what it says of words under each erasure."""
        runs = self._predicting(bearing.words)
        found = said_of_words(runs, erasures, told)
        self.notes += runs.notes
        return found

    def read_predicted(self, readables: Sequence[Readable], layers: Sequence[int]) -> None:
        """Read the states where words of training and dev are predicted, of all tasks in one run."""
        ordered = sorted({word for readable in readables for word in self._fitted_on(readable).words})
        if not ordered:
            return
        vectors = vectors_at(self._predicting(ordered), layers, {})
        self._before = {word: number for number, word in enumerate(ordered)}, vectors

    def labelled(self, readable: Readable, layer: int, under: Erasers) -> list[Labelled]:
        """Return labelled states of training and dev: of words as they are written, and where they are predicted.

        At a position of each example there are those of the position alone.

        Parameters
        ----------
        readable : Readable
        layer : int
        under : mapping of Site to Eraser
            What is erased below.
        """
        train, dev = readable.rows("train"), readable.rows("dev")
        matrix = self.matrix(readable, layer, under)
        parts = [Labelled(matrix.train, readable.codes(np.array(train)), matrix.dev, readable.codes(np.array(dev)))]
        if readable.place is not None:
            return parts
        bearing = self._fitted_on(readable)
        numbers, vectors = self._before
        if not under and layer in vectors:
            X = vectors[layer][[numbers[word] for word in bearing.words]]
        else:
            X = vectors_at(self._predicting(bearing.words), [layer], under)[layer]
        X, codes, first = X[bearing.owners], readable.codes(bearing.targets), bearing.targets < train.stop
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

    def _fitted_on(self, readable: Readable) -> Bearing:
        train, dev = readable.rows("train"), readable.rows("dev")
        fitted = range(train.start, dev.stop) if readable.place is None else range(0)
        return self.bearing(readable.bearers, fitted)

    def _predicting(self, words: Sequence[tuple[int, int]]) -> Runs[TokenPass]:
        return self._runs(predicting_rows(self._texts, words, mask=self._mask), len(words))

    def _runs(self, rows: Sequence[Row], owners: int) -> Runs[TokenPass]:
        passes = laid_out(rows, self._loaded.pad_id, max(1, self._tokens // SHARES))
        return Runs(self._loaded, passes, owners, batch_tokens=self._tokens)
