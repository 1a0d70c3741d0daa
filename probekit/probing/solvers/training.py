"""The trainer of probes that are networks: minibatches, Adam, early stopping on held-out targets.

Enters: data that gives batches, labels, and a network from a batch to logits. Leaves: the network with the weights of
its best epoch. Surprise: with several layers in the data the network reads a learned mix of them [1]_, trained
together with it; its weights are one parameter more.

References
----------
.. [1] Peters et al. 2018, Deep contextualized word representations.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from probekit.features import TokenRows

Build = Callable[[int, int, int], nn.Module]
"""``build(d, n_spans, n_classes)`` gives a network from a :class:`Batch` to logits [targets, n_classes]."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a network reads at once.

    Attributes
    ----------
    vectors : Tensor, shape (rows, d), or (layers, rows, d) for a mix
    spans : Tensor of int64, shape (targets, s, 2), optional
        Half-open row ranges; None: every row is a target.
    lengths : tuple of int
        Rows of each example, one behind the other; empty where every row is a target.
    """

    vectors: Tensor
    spans: Tensor | None = None
    lengths: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Training:
    """How a network is trained.

    Attributes
    ----------
    learning_rate : float
        Of Adam.
    targets : int
        Of a batch, about.
    tokens : int
        Of a batch, at most, unless one example has more.
    max_epochs, patience : int
        Stop after ``patience`` epochs without a better held-out accuracy, or the same at a lower loss.
    seed : int
        First weights and the order of batches.
    weight_decay : float
        L2 penalty on the weights beside the mean loss, ``weight_decay / 2 * ||W||^2``; biases are free.
    """

    learning_rate: float = 1e-3
    targets: int = 256
    tokens: int = 8192
    max_epochs: int = 40
    patience: int = 3
    seed: int = 0
    weight_decay: float = 0.0


def batch_of(n: int) -> int:
    """Return the targets of a batch where there are n: of few, an epoch is some steps and not one."""
    return min(256, max(32, n // 50))


def training_of(n: int, seed: int) -> Training:
    """Return how a network is trained on n targets."""
    return Training(targets=batch_of(n), seed=seed)


class VectorData:
    """One vector a target: [n, d], or [layers, n, d] for a mix."""

    def __init__(self, X: Tensor) -> None:
        self.X, self.n_spans = X, 1
        self.n_layers = len(X) if X.ndim == 3 else 0

    def batches(self, training: Training, order: torch.Generator | None) -> Iterator[tuple[Tensor, Batch]]:
        """Yield which targets a batch holds, and the batch; in the order of the data without a generator."""
        n = self.X.shape[-2]
        places = torch.arange(n) if order is None else torch.randperm(n, generator=order)
        for chosen in places.to(self.X.device).split(training.targets if order is not None else 4096):
            yield chosen, Batch(self.X[..., chosen, :])


class TokenData:
    """Tokens of whole examples and the targets among them; see :class:`~probekit.features.TokenRows`."""

    def __init__(self, vectors: Tensor, rows: TokenRows) -> None:
        self.X, self.n_spans = vectors, rows.spans.shape[1]
        self.n_layers = len(vectors) if vectors.ndim == 3 else 0
        self._examples, self._spans = rows.examples, rows.spans
        order = np.argsort(rows.home, kind="stable")
        counts = np.bincount(rows.home, minlength=len(rows.examples))
        self._targets = np.split(order, np.cumsum(counts)[:-1])
        self._held = np.flatnonzero(counts)

    def batches(self, training: Training, order: torch.Generator | None) -> Iterator[tuple[Tensor, Batch]]:
        """Yield which targets a batch holds, and the batch: whole examples until there are enough targets."""
        m = len(self._held)
        places = self._held if order is None else self._held[torch.randperm(m, generator=order).numpy()]
        group: list[int] = []
        targets = tokens = 0
        for place in places.tolist():
            size = int(self._examples[place, 1] - self._examples[place, 0])
            if group and (targets >= training.targets or tokens + size > training.tokens):
                yield self._batch(group)
                group, targets, tokens = [], 0, 0
            group.append(place)
            targets += len(self._targets[place])
            tokens += size
        if group:
            yield self._batch(group)

    def _batch(self, group: Sequence[int]) -> tuple[Tensor, Batch]:
        bounds = self._examples[group]
        sizes = bounds[:, 1] - bounds[:, 0]
        shift = np.cumsum(sizes) - sizes - bounds[:, 0]
        rows = np.concatenate([np.arange(low, high) for low, high in bounds])
        held = [self._targets[place] for place in group]
        moved = np.repeat(shift, [len(part) for part in held])
        chosen = np.concatenate(held)
        device = self.X.device
        vectors = self.X[..., torch.from_numpy(rows).to(device), :]
        spans = torch.from_numpy(self._spans[chosen] + moved[:, None, None]).to(device)
        return torch.from_numpy(chosen).to(device), Batch(vectors, spans, tuple(sizes.tolist()))


Data = VectorData | TokenData


class Mixed(nn.Module):
    """A learned mix of layers (:mod:`~probekit.probing.analyses.mix`) in front of a network, at unit size."""

    def __init__(self, network: nn.Module, gram: Tensor) -> None:
        super().__init__()
        self.network = network
        self.logits = nn.Parameter(torch.zeros(len(gram), device=gram.device))
        self.register_buffer("gram", gram)

    def weights(self) -> Tensor:
        """Return the weights of the layers: positive, sum 1."""
        return self.logits.softmax(0)

    def forward(self, batch: Batch) -> Tensor:
        """Mix, then ask the network."""
        s = self.weights()
        scale = (s @ self.gram @ s).rsqrt()  # type: ignore[operator]
        mixed = torch.einsum("l,lrd->rd", scale * s, batch.vectors)
        return self.network(replace(batch, vectors=mixed))


@dataclass(frozen=True, slots=True)
class Trained:
    """A network and how its training went.

    Attributes
    ----------
    network : Module
    epochs : int
    converged : bool
        Whether it stopped before the last epoch.
    """

    network: nn.Module
    epochs: int
    converged: bool

    def scores(self, data: Data, training: Training) -> Tensor:
        """Return the logits of every target [n, n_classes]."""
        return _scores(self.network, data, training)


def train(
    build: Build, data: Data, y: Tensor, n_classes: int, *, held_out: tuple[Data, Tensor] | None, training: Training
) -> Trained:
    """Train one network.

    Parameters
    ----------
    build : callable
    data : VectorData or TokenData
        Standardised.
    y : Tensor of int64, shape (n,)
    n_classes : int
    held_out : (data, Tensor of int64), optional
        What decides when to stop, and which epoch's weights are kept; -1 is always an error. None: all epochs.
    training : Training

    Returns
    -------
    Trained
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        network = build(data.X.shape[-1], data.n_spans, n_classes).to(data.X.device)
    if data.n_layers:
        gram = torch.einsum("lnd,mnd->lm", data.X, data.X) / (data.X.shape[1] * data.X.shape[2])
        network = Mixed(network, gram)
    optimiser = torch.optim.Adam(_penalised(network, training.weight_decay), lr=training.learning_rate)
    order = torch.Generator().manual_seed(training.seed)
    kept, best, lowest, stale, epoch = copy.deepcopy(network.state_dict()), -1.0, np.inf, 0, 0
    while epoch < training.max_epochs and stale < training.patience:
        epoch += 1
        for chosen, batch in data.batches(training, order):
            loss = nn.functional.cross_entropy(network(batch), y[chosen])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        if held_out is None:
            continue
        score, mean = _look(network, held_out, training)
        if score > best or (score == best and mean < lowest):
            kept, best, lowest, stale = copy.deepcopy(network.state_dict()), score, mean, 0
        else:
            stale += 1
    if held_out is not None:
        network.load_state_dict(kept)
    return Trained(network, epoch, stale >= training.patience)


def _penalised(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the parameters in two groups: weights, which decay, and biases, which do not."""
    groups: tuple[list[nn.Parameter], list[nn.Parameter]] = ([], [])
    for part in network.parameters():
        groups[part.ndim < 2].append(part)
    return [{"params": groups[0], "weight_decay": weight_decay}, {"params": groups[1]}]


def _look(network: nn.Module, held_out: tuple[Data, Tensor], training: Training) -> tuple[float, float]:
    """Return accuracy and mean loss on held-out targets."""
    data, y = held_out
    Z = _scores(network, data, training)
    loss = nn.functional.cross_entropy(Z, y, ignore_index=-1, reduction="sum") / len(y)
    return float((Z.argmax(1) == y).double().mean()), float(loss)


def _scores(network: nn.Module, data: Data, training: Training) -> Tensor:
    """Return logits in the order of the targets; batches of examples come in another."""
    with torch.no_grad():
        places, found = zip(*((chosen, network(batch)) for chosen, batch in data.batches(training, None)), strict=True)
    return torch.cat(found)[torch.cat(places).argsort()]
