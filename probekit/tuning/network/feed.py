"""What a network is fed: batches laid out, with the states that a cache has for them.

Enters: a :class:`~probekit.tuning.data.data.TuningData` and, where lower depths are frozen, the cache of their states.
Leaves: scores of a batch, from the ids or from a cached layer. Where only the head trains, the model is run once: a
head that reads one vector a target is given these ever after, any other the states of the tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.cache.reader import ActivationCache
from probekit.devices import out_of_memory
from probekit.errors import NumericError, ResourceError, UsageError
from probekit.tuning.data.beside import WordRows, rows_of_tokens
from probekit.tuning.data.data import TuningData
from probekit.tuning.data.hiding import hidden_of
from probekit.tuning.data.layout import ExampleBatch, Ran, gold_of, lay_out
from probekit.tuning.data.order import sorted_batches
from probekit.tuning.network.network import Network
from probekit.tuning.readout.pooling import pool

IntArray = NDArray[np.int64]
Answer = Callable[[ExampleBatch], Tensor]
SIZED, MEASURED = 32, 256
PREDICTED = 4
"""So many times the tokens of a batch that is trained are predicted at once, which needs no gradients."""
KEPT = 1 << 30
"""Bytes of states of tokens that are kept in memory where there is no cache."""
SMALLER = "Out of memory: some batches that are predicted were cut in two."


class Feed:
    """Lays out batches and runs a network over them.

    Parameters
    ----------
    network : Network
    data : TuningData
    cache : ActivationCache, optional
        Of the same examples; None: everything runs from the ids.
    batch_tokens : int
        Of a batch that is trained, pads included.
    once : bool
        Make what a head reads once, where nothing below it trains; else the model runs for every batch.

    Attributes
    ----------
    remarks : list of str
        Words that the table beside the model does not know, counted and named.
    """

    def __init__(
        self,
        network: Network,
        data: TuningData,
        *,
        cache: ActivationCache | None = None,
        batch_tokens: int = 1024,
        once: bool = True,
    ) -> None:
        self.network, self.data, self.cache = network, data, cache
        self.batch_tokens, self.once = batch_tokens, once
        self.start = -1
        self._lowest: int | None = None
        self._vectors: Tensor | None = None
        self._states: dict[int, Tensor] = {}
        self._rows: list[IntArray] = []
        self.remarks: list[str] = []
        if (beside := network.beside) is not None:
            found = WordRows(beside.vectors)
            self._rows = found.look_up(data.words)
            self.remarks = found.remarks(beside.name)

    def set_lowest(self, depth: int) -> None:
        """Say how far down the states change from now on: no run starts above the layer below that depth."""
        if depth == self._lowest:
            return
        self.check_layers(depth)
        self._lowest = depth
        self.start = self.network.start(depth) if self.cache is not None else -1
        self._vectors, self._states = None, {}
        if not self.once or depth <= self.network.keep or self.data.hiding is not None:
            return
        if self.network.scorer() is not None:
            self._vectors = self._pooled()
        elif self.cache is None and self._kept_bytes() <= KEPT:
            self._states = self._kept()
            self.start = self.network.start(depth)

    def measure(self, lowest: int) -> None:
        """Learn the sizes of what is read, of some training examples, before anything trains.

        Parameters
        ----------
        lowest : int
            The lowest depth that is to train: the cache need not have a layer above it.

        Raises
        ------
        NumericError
            What is read is not finite.
        """
        network = self.network
        network.set_dropout(False)
        self.set_lowest(lowest)
        if network.mix is not None:
            network.mix.sizes.copy_(self.sizes())
        some = np.random.default_rng(0).permutation(self.data.training)[:MEASURED]
        vectors = self._means(some)
        if not bool(vectors.isfinite().all()):
            raise NumericError(
                f"The states of '{network.loaded.source.name}' that the head would read (layers "
                f"{', '.join(map(str, network.read))}) are not finite before anything trains: its weights are damaged, "
                "or overflow. Fetch the model again, or read a lower layer (--set read=... --set keep=...)."
            )
        network.sized.learn(vectors)

    @property
    def route(self) -> str | None:
        """Where states come from while the lowest depth trains, in words; None where they come from the ids."""
        assert self._lowest is not None
        if self.cache is not None and self.start >= 0:
            if self._vectors is None:
                return f"What is below layer {self.start} is read from {self.cache.path.name}."
            read = ", ".join(map(str, self.network.read))
            return f"The head trains on layer {read} of {self.cache.path.name}; the model is not run."
        if self._vectors is not None or self._states:
            examples = len(self._used())
            return f"The model is run once, over {examples:,} examples; the head trains on what it gave."
        if self.data.hiding is not None:
            return "Every batch runs the whole model: what is hidden from it differs at every step, so no cache fits."
        if (frozen := min(self._lowest - 1, self.network.keep)) > 0:
            needed = ", ".join(map(str, self.network.layers_needed(self.network.start(self._lowest))))
            return (
                f"Every batch runs the {frozen} blocks that are frozen; a cache of layer {needed} (--on) spares that."
            )
        return None

    def counted(self, examples: IntArray) -> int:
        """Return how many targets a step has that trains on some examples."""
        held = self.data.held[examples]
        counts = held[:, 1] - held[:, 0]
        return int((counts if self.data.hiding is None else hidden_of(counts)).sum())

    def batch(self, examples: IntArray, *, step: int | None = None) -> ExampleBatch:
        """Lay out some examples, to be trained on where a step is named; a masked model is not shown the targets."""
        batch, hiding = self._laid_out(examples), self.data.hiding
        if hiding is None:
            return batch
        if step is not None:
            return hiding.hidden(batch, examples, seed=self.network.head.spec.seed, step=step)
        looked_at = np.isin(examples, self.data.training).any()  # before anything trains: whole
        return batch if looked_at else hiding.masked(batch)

    def _laid_out(self, examples: IntArray) -> ExampleBatch:
        batch = lay_out(self.data, examples, pad_id=self.network.loaded.pad_id)
        if self.network.beside is None:
            return batch
        word = np.where(batch.inside, self.data.index.word[batch.places], -1).astype(np.int64)
        return replace(batch, beside=rows_of_tokens([self._rows[e] for e in examples], torch.from_numpy(word)))

    def scores(self, batch: ExampleBatch) -> Tensor:
        """Return the scores of the targets of a batch [n, outputs]."""
        return self.run(batch).scores

    def run(self, batch: ExampleBatch) -> Ran:
        """Run a batch, and return beside its scores the states that were read on the way."""
        scorer = self.network.scorer()
        if self._vectors is not None and scorer is not None:
            return Ran(batch, scorer(self._vectors[torch.from_numpy(batch.targets)].to(self.network.device)))
        given = self.given(batch)
        return Ran(batch, *self.network.run(batch, given, self.start), given, self.start)

    def pooled(self, ran: Ran) -> Tensor:
        """Return the vectors that the head scored of a batch that was run [n, vector]; it reads vectors."""
        if self._vectors is None:
            return self.network.pooled(ran.batch, ran.states)
        return self.network.sized_vectors(self._vectors[torch.from_numpy(ran.batch.targets)].to(self.network.device))

    def given(self, batch: ExampleBatch) -> dict[int, Tensor]:
        """Return the states of a batch that the run needs and does not make, [B, T, d] by layer."""
        return {layer: self._held(layer, batch.places) for layer in self.network.layers_needed(self.start)}

    def _held(self, layer: int, places: IntArray) -> Tensor:
        """Return the states of a layer at some rows, from memory or from the cache."""
        if self.cache is None:
            states = self._states[layer][torch.from_numpy(places)]
        else:
            rows = self.cache.layer(layer)[places.reshape(-1)]
            states = torch.from_numpy(rows.reshape(*places.shape, -1))
        return states.to(self.network.device)

    def predict(self, examples: IntArray, answer: Answer | None = None) -> NDArray[np.float64]:
        """Return the codes, numbers or log-probabilities of targets in table order, by an answer [n] to each batch."""
        out = np.zeros(len(self.data.table))
        rows = []
        self.network.set_dropout(False)
        for batch, found in self._each(examples, answer or self._predicted):
            out[batch.targets] = found.double().numpy()
            rows.append(batch.targets)
        return out[np.sort(np.concatenate(rows))]

    def log_probabilities(self, examples: IntArray) -> NDArray[np.float64]:
        """Return the log-probability of every class of the targets of some examples, in table order [n, classes].

        Those of a head over sentences (:meth:`~probekit.tuning.readout.head_module.Judge.log_probabilities`) are made
        to add up to 1; what it predicts stays the likeliest.
        """
        self.network.set_dropout(False)
        each = [(batch.targets, found) for batch, found in self._each(examples, self._judged)]
        rows, found = np.concatenate([rows for rows, _ in each]), torch.cat([found for _, found in each])
        return found.double().log_softmax(1).numpy()[np.argsort(rows)]

    def sizes(self) -> Tensor:
        """Return the root mean square of every layer that is read, over the tokens of some training examples."""
        examples = np.random.default_rng(0).permutation(self.data.training)[:SIZED]
        batch = self.batch(examples)
        real = torch.from_numpy(batch.padded.real())
        with torch.no_grad():
            states = self.network.states(batch, self.given(batch), self.start)
        return torch.stack([state.cpu()[real].square().mean().sqrt() for state in states])

    def _predicted(self, batch: ExampleBatch) -> Tensor:
        scores, row = self._finite(batch)
        return self.network.head.answer(scores, row, gold_of(self.data, batch, self.network.device))

    def _judged(self, batch: ExampleBatch) -> Tensor:
        return self.network.head.log_probabilities(*self._finite(batch))

    def _finite(self, batch: ExampleBatch) -> tuple[Tensor, Tensor]:
        """Return the scores of a batch, and the row of each target."""
        row = torch.from_numpy(batch.row).to(self.network.device)
        scores = self.scores(batch).float()
        if not bool(scores.isfinite().all()):
            raise NumericError("The model gives scores that are not finite. Train it at a lower rate.")
        return scores, row

    def _used(self) -> IntArray:
        return np.concatenate([self.data.examples(split) for split in ("train", "dev", "test")])

    def _pooled(self) -> Tensor:
        """Return the pooled vector of every target of the table that is used, [n, w]; zeros elsewhere."""
        vectors: Tensor | None = None
        for batch, pooled in self._each(self._used(), self._pool(self.network.head.spec.pool)):
            if vectors is None:
                vectors = torch.zeros(len(self.data.table), pooled.shape[1])
            vectors[torch.from_numpy(batch.targets)] = pooled
        assert vectors is not None
        return vectors

    def _kept(self) -> dict[int, Tensor]:
        """Return the states of every token of the examples that are used, [rows, d] by layer that is read."""
        network = self.network
        states = torch.zeros(len(network.read), len(self.data.index.token), network.loaded.width)
        for batch, found in self._each(self._used(), lambda batch: torch.stack(network.states(batch, {}))):
            real = batch.padded.real()
            states[:, torch.from_numpy(batch.places[real])] = found[:, torch.from_numpy(real)]  # [l, B, T, d] found
        return dict(zip(network.read, states, strict=True))

    def _kept_bytes(self) -> int:
        return 4 * len(self.network.read) * len(self.data.index.token) * self.network.loaded.width

    def _means(self, examples: IntArray) -> Tensor:
        """Return the mean of the tokens of each span of some examples, [n * s, d]."""
        spec = self.network.head.spec
        if self._vectors is not None and spec.pool == "mean":
            means = self._vectors[np.concatenate([np.arange(*self.data.held[example]) for example in examples])]
        else:
            means = torch.cat([found for _, found in self._each(examples, self._pool("mean"))])
        return means.unflatten(1, (-1, spec.width)).flatten(0, 1)

    def _pool(self, how: str) -> Callable[[ExampleBatch], Tensor]:
        """Return what runs a batch and pools its targets [n, w]."""
        return lambda batch: pool(self.network.laid_out(batch, self.given(batch), self.start), how)

    def _each(self, examples: IntArray, run: Callable[[ExampleBatch], Tensor]) -> Iterator[tuple[ExampleBatch, Tensor]]:
        """Yield batches without gradients and what each gives; one that does not fit into memory is cut in two."""
        waiting = sorted_batches(examples, self.data.sizes[examples], PREDICTED * self.batch_tokens)[::-1]
        while waiting:
            some = waiting.pop()
            try:
                batch = self.batch(some)
                with torch.no_grad():
                    found = run(batch).cpu()
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                if len(some) == 1:
                    size = f"An example of {self.data.sizes[some[0]]:,} tokens"
                    cut = "Cut examples (--max-length with --overflow truncate)."
                    raise ResourceError(f"{size} does not fit into memory alone. {cut}") from error
                waiting += np.array_split(some, 2)[::-1]
                if SMALLER not in self.remarks:
                    self.remarks.append(SMALLER)
            else:
                yield batch, found

    def check_layers(self, depth: int) -> None:
        """Refuse a cache that lacks a layer that a run needs which reaches down to a depth.

        Raises
        ------
        UsageError
        """
        if self.cache is None:
            return
        kept = self.cache.layers()
        missing = [layer for layer in self.network.layers_needed(self.network.start(depth)) if layer not in kept]
        if missing:
            raise UsageError(
                f"Training from the cache needs layer {missing[0]}, and {self.cache.path.name} holds "
                f"{', '.join(map(str, kept))}. Extract that layer too, or train without --on."
            )
