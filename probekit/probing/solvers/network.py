"""Batched one-hidden-layer networks: every layer and every label set trained at once.

What enters: standardised vectors of several layers over the same rows, and integer codes. What
leaves: for every (layer, problem) the weights of its best epoch on held-out rows. The surprise: all
networks see the same rows in the same order from the same first weights, so a network trained in
company equals one trained alone, and layers differ by their vectors only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

PREDICT_ROWS = 8192


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """How networks are trained.

    Attributes
    ----------
    hidden : int
        Hidden units.
    rectified : bool
        ReLU; without it the network is a linear probe whose rank is `hidden`.
    dropout : float
        Share of hidden units dropped while training.
    weight_decay : float
        L2 penalty added to the mean loss, ``weight_decay / 2 * ||W||^2``.
    learning_rate : float
        Of Adam.
    batch_size, max_epochs, patience : int
        Stop after ``patience`` epochs without a better held-out accuracy, or the same at a lower loss.
    seed : int
        First weights, order of rows, dropout.
    """

    hidden: int = 128
    rectified: bool = True
    dropout: float = 0.0
    weight_decay: float = 0.0
    learning_rate: float = 1e-3
    batch_size: int = 256
    max_epochs: int = 40
    patience: int = 3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Networks:
    """Fitted networks, one per (layer, problem).

    Attributes
    ----------
    W1 : Tensor, shape (n_layers, d, n_problems * hidden)
    b1 : Tensor, shape (n_layers, 1, n_problems * hidden)
    W2 : Tensor, shape (n_layers * n_problems, hidden, n_classes)
    b2 : Tensor, shape (n_layers * n_problems, 1, n_classes)
    epochs : Tensor of int64, shape (n_layers, n_problems)
        Epochs each was trained for.
    best : Tensor of float64, shape (n_layers, n_problems)
        Held-out accuracy of the weights kept; NaN without held-out rows.
    rectified : bool
    """

    W1: Tensor
    b1: Tensor
    W2: Tensor
    b2: Tensor
    epochs: Tensor
    best: Tensor
    rectified: bool = True

    def codes(self, layers: Sequence[Tensor]) -> Tensor:
        """Most likely class of every row, int64 (n_layers, n, n_problems)."""
        out = torch.empty(len(layers), len(layers[0]), self.best.shape[1], dtype=torch.int64, device=self.W1.device)
        places = torch.arange(len(layers), device=self.W1.device)
        parameters, P = (self.W1, self.b1, self.W2, self.b2), self.best.shape[1]
        for row, rows, Z in _scores(layers, places, parameters, P, rectified=self.rectified):
            out[row, rows] = Z.argmax(2).T
        return out

    def logits(self, layers: Sequence[Tensor], problem: int) -> Tensor:
        """Return the logits of every row for one problem (n_layers, n, n_classes)."""
        P = self.best.shape[1]
        out = torch.empty(len(layers), len(layers[0]), self.W2.shape[2], dtype=self.W2.dtype, device=self.W2.device)
        places = torch.arange(len(layers), device=self.W1.device)
        parameters = (self.W1, self.b1, self.W2, self.b2)
        for row, rows, Z in _scores(layers, places, parameters, P, rectified=self.rectified):
            out[row, rows] = Z[problem]
        return out


def train_networks(
    layers: Sequence[Tensor],
    y: Tensor,
    n_classes: int,
    *,
    held_out: tuple[Sequence[Tensor], Tensor] | None,
    settings: NetworkSettings,
) -> Networks:
    """Train a network for every layer and every label set.

    Parameters
    ----------
    layers : sequence of Tensor, each of shape (n, d)
        Standardised vectors of the training rows.
    y : Tensor of int64, shape (n, n_problems)
    n_classes : int
    held_out : tuple of (sequence of Tensor, Tensor of int64), optional
        Vectors and codes that decide when to stop; None: train for ``max_epochs``.
    settings : NetworkSettings

    Returns
    -------
    Networks
    """
    L, P = len(layers), y.shape[1]
    n, d = layers[0].shape
    device = layers[0].device
    generator = torch.Generator().manual_seed(settings.seed)
    kept = _first_weights(L, P, (d, settings.hidden, n_classes), generator, layers[0])
    epochs = torch.zeros(L, P, dtype=torch.int64, device=device)
    best = torch.full((L, P), -1.0, dtype=torch.float64, device=device)
    lowest = torch.full_like(best, torch.inf)
    stale = torch.zeros(L, P, dtype=torch.int64, device=device)
    trainer = _Trainer.begin([part.clone() for part in kept], settings)
    for _ in range(settings.max_epochs):
        order = torch.randperm(n, generator=generator).to(device)
        masks = torch.Generator().manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
        for start in range(0, n, settings.batch_size):
            rows = order[start : start + settings.batch_size]
            trainer.step(torch.stack([layers[int(i)][rows] for i in trainer.layers]), y[rows], masks)
        running = stale[trainer.layers] < settings.patience
        epochs[trainer.layers] += running.long()
        if held_out is None:
            continue
        score, loss = _held_out(held_out, trainer.layers, trainer.parameters, rectified=settings.rectified)
        ties = (score == best[trainer.layers]) & (loss < lowest[trainer.layers])
        better = running & ((score > best[trainer.layers]) | ties)
        _keep(kept, trainer, better, P)
        best[trainer.layers] = torch.where(better, score, best[trainer.layers])
        lowest[trainer.layers] = torch.where(better, loss, lowest[trainer.layers])
        stale[trainer.layers] += (~better).long()
        alive = (stale[trainer.layers] < settings.patience).any(1)
        if not bool(alive.any()):
            break
        trainer = trainer.select(alive, P)
    if held_out is None:
        kept = [part.detach() for part in trainer.parameters]
        best = torch.full_like(best, torch.nan)
    return Networks(kept[0], kept[1], kept[2], kept[3], epochs, best, settings.rectified)


@dataclass
class _Trainer:
    """Networks still in training, with their Adam state."""

    layers: Tensor
    parameters: list[Tensor]
    optimiser: torch.optim.Adam
    settings: NetworkSettings

    @classmethod
    def begin(cls, parameters: list[Tensor], settings: NetworkSettings) -> _Trainer:
        for part in parameters:
            part.requires_grad_(True)
        layers = torch.arange(len(parameters[0]), device=parameters[0].device)
        return cls(layers, parameters, torch.optim.Adam(parameters, lr=settings.learning_rate), settings)

    def step(self, X: Tensor, y: Tensor, masks: torch.Generator) -> None:
        """One Adam step on a batch: ``X`` (L, rows, d), ``y`` (rows, n_problems)."""
        W1, b1, W2, b2 = self.parameters
        L, rows, _ = X.shape
        P = y.shape[1]
        H = torch.baddbmm(b1, X, W1)
        if self.settings.rectified:
            H = torch.relu(H)
        if self.settings.dropout > 0:
            stay = torch.rand(rows, H.shape[2], generator=masks) >= self.settings.dropout
            H = H * (stay.to(H.device, H.dtype) / (1 - self.settings.dropout))
        H = H.view(L, rows, P, -1).transpose(1, 2).reshape(L * P, rows, -1)
        Z = torch.baddbmm(b2, H, W2)
        target = y.T.repeat(L, 1).reshape(-1)
        # Networks share no weights: the sum of their losses gives each its own gradient.
        loss = torch.nn.functional.cross_entropy(Z.flatten(0, 1), target, reduction="sum") / rows
        if self.settings.weight_decay > 0:
            loss = loss + 0.5 * self.settings.weight_decay * (W1.square().sum() + W2.square().sum())
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()

    def select(self, alive: Tensor, n_problems: int) -> _Trainer:
        """Without the layers whose networks have all stopped."""
        if bool(alive.all()):
            return self
        parts = []
        for part in self.parameters:
            rows = alive if len(part) == len(alive) else alive.repeat_interleave(n_problems)
            parts.append(part.detach()[rows].requires_grad_(True))
        optimiser = torch.optim.Adam(parts, lr=self.settings.learning_rate)
        for old, new in zip(self.parameters, parts, strict=True):
            rows = alive if len(old) == len(alive) else alive.repeat_interleave(n_problems)
            state = self.optimiser.state[old]
            optimiser.state[new] = {name: value[rows] if value.ndim else value for name, value in state.items()}
        return _Trainer(self.layers[alive], parts, optimiser, self.settings)


def _first_weights(
    L: int, P: int, sizes: tuple[int, int, int], generator: torch.Generator, like: Tensor
) -> list[Tensor]:
    """Uniform in +-1/sqrt(inputs), as torch's Linear, the same for every layer and problem."""
    d, h, K = sizes

    def draw(shape: tuple[int, int], inputs: int) -> Tensor:
        return ((2 * torch.rand(shape, generator=generator) - 1) / inputs**0.5).to(like.device, like.dtype)

    W1, b1, W2, b2 = draw((d, h), d), draw((1, h), d), draw((h, K), h), draw((1, K), h)
    return [
        W1.repeat(1, P).expand(L, -1, -1).clone(),
        b1.repeat(1, P).expand(L, -1, -1).clone(),
        W2.expand(L * P, -1, -1).clone(),
        b2.expand(L * P, -1, -1).clone(),
    ]


def _keep(kept: list[Tensor], trainer: _Trainer, better: Tensor, P: int) -> None:
    """Copy the weights of the networks that got better: ``better`` (n_alive, n_problems)."""
    for row, layer in enumerate(trainer.layers.tolist()):
        for problem in better[row].nonzero().squeeze(1).tolist():
            W1, b1, W2, b2 = (part.detach() for part in trainer.parameters)
            h = W2.shape[1]
            unit = slice(problem * h, (problem + 1) * h)
            kept[0][layer, :, unit], kept[1][layer, :, unit] = W1[row, :, unit], b1[row, :, unit]
            kept[2][layer * P + problem] = W2[row * P + problem]
            kept[3][layer * P + problem] = b2[row * P + problem]


def _held_out(
    held_out: tuple[Sequence[Tensor], Tensor], places: Tensor, parameters: Sequence[Tensor], *, rectified: bool
) -> tuple[Tensor, Tensor]:
    """Accuracy and mean loss on held-out rows, each (n_places, n_problems); a code of -1 is always an error."""
    vectors, y = held_out
    P = y.shape[1]
    hits, losses = torch.zeros(2, len(places), P, dtype=torch.float64, device=y.device)
    for row, rows, Z in _scores(vectors, places, parameters, P, rectified=rectified):
        target = y[rows].T
        hits[row] += (Z.argmax(2) == target).sum(1)
        loss = torch.nn.functional.cross_entropy(Z.mT, target, ignore_index=-1, reduction="none")
        losses[row] += loss.sum(1, dtype=torch.float64)
    return hits / len(y), losses / len(y)


def _scores(
    layers: Sequence[Tensor], places: Tensor, parameters: Sequence[Tensor], P: int, *, rectified: bool
) -> Iterator[tuple[int, slice, Tensor]]:
    """Yield the place, rows and logits (n_problems, rows, n_classes) of every block of rows."""
    W1, b1, W2, b2 = (part.detach() for part in parameters)
    for row, layer in enumerate(places.tolist()):
        second, bias = W2[row * P : (row + 1) * P], b2[row * P : (row + 1) * P]
        for start in range(0, len(layers[layer]), PREDICT_ROWS):
            block = layers[layer][start : start + PREDICT_ROWS]
            H = torch.addmm(b1[row], block, W1[row])
            if rectified:
                H = torch.relu(H)
            yield (
                row,
                slice(start, start + len(block)),
                torch.baddbmm(bias, H.view(len(H), P, -1).transpose(0, 1), second),
            )
