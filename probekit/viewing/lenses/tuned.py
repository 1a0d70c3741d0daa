"""The tuned lens: an affine map a layer, fitted so that the head says of it what it says of the last layer.

Enters: predicted tokens of train and dev. Leaves: a :class:`~probekit.viewing.lenses.Translator` a layer. What is
minimised is the divergence of the last layer's distribution from the lens's, KL(last || lens), mean over tokens, by
Adam with a rate that falls to zero. Rate and step are chosen on dev, layer by layer; step 0 is the identity and among
them, so that on dev no layer is read worse than by the logit lens. Surprise: rates are shares: in one step at rate r a
dimension moves by r of its layer's size at most, whatever the width and the scale of the states.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from probekit.viewing.lenses import Lens, Materials, Translator

RATES = (0.1, 0.3)
BATCH, LOOKS = 256, 10
"""Tokens of a step; how often dev is looked at."""
_SCALED = 1024
"""States from which the size of a layer is read."""


class _Fit:
    """The maps of all layers at one rate, trained side by side: they share batches and the aim, and nothing else."""

    def __init__(self, materials: Materials, rate: float) -> None:
        self.materials, self.rate = materials, rate
        ending = materials.ending
        self.weights: dict[int, torch.Tensor] = {}
        self.biases: dict[int, torch.Tensor] = {}
        groups = []
        for layer in materials.layers:
            width, device = ending.width, ending.loaded.device
            weight = self.weights[layer] = torch.zeros(width, width, device=device, requires_grad=True)
            bias = self.biases[layer] = torch.zeros(width, device=device, requires_grad=True)
            groups.append({"params": [weight], "lr": rate / width})
            groups.append({"params": [bias], "lr": rate * _size(materials, layer)})
        self.optimizer = torch.optim.Adam(groups)
        self.falling = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: 1 - step / materials.steps)

    def read(self, layer: int, states: torch.Tensor) -> torch.Tensor:
        """Return the logarithms of the distribution at states of a layer."""
        changed = states + states @ self.weights[layer].T + self.biases[layer]
        return _logs(self.materials, changed)

    def step(self, which: np.ndarray) -> None:
        """Go one step downhill on some tokens of train."""
        self.optimizer.zero_grad()
        for start in range(0, len(which), self.materials.at_once):
            part = which[start : start + self.materials.at_once]
            final = _final(self.materials, self.materials.train, part)
            for layer in self.materials.layers:
                states = _states(self.materials, self.materials.train, layer, part)
                (_divergences(final, self.read(layer, states)).sum() / len(which)).backward()
        self.optimizer.step()
        self.falling.step()

    @torch.no_grad()
    def on_dev(self) -> dict[int, float]:
        """Return the mean divergence of every layer on dev."""
        dev, step = self.materials.dev, self.materials.at_once
        added = dict.fromkeys(self.materials.layers, 0.0)
        for start in range(0, len(dev), step):
            part = np.arange(start, min(start + step, len(dev)))
            final = _final(self.materials, dev, part)
            for layer in self.materials.layers:
                logs = self.read(layer, _states(self.materials, dev, layer, part))
                added[layer] += float(_divergences(final, logs).double().sum())
        return {layer: total / len(dev) for layer, total in added.items()}

    def translator(self, layer: int, fitted: Mapping[str, Any]) -> Translator:
        """Return the map of a layer as it is now."""
        weight, bias = (of[layer].detach().cpu().numpy().copy() for of in (self.weights, self.biases))
        return Translator(weight, bias, fitted)


def fit(materials: Materials) -> dict[int, Translator]:
    """Fit the map of every layer at every rate, and keep what is best on dev."""
    if not materials.layers:
        return {}
    n, steps = len(materials.train), materials.steps
    every = max(1, steps // LOOKS)
    before: dict[int, float] = {}
    found: dict[int, Translator] = {}
    for place, rate in enumerate(RATES):
        mine = _Fit(materials, rate)
        if not before:
            before = mine.on_dev()
            found = {layer: mine.translator(layer, _told(materials, before[layer], before[layer])) for layer in before}
        rng = np.random.default_rng([materials.seed, 11])  # every rate sees the same batches
        waiting = np.zeros(0, np.int64)
        for step in range(1, steps + 1):
            if len(waiting) < min(BATCH, n):
                waiting = rng.permutation(n)
            mine.step(np.sort(waiting[:BATCH]))
            waiting = waiting[BATCH:]
            if step % every == 0 or step == steps:
                for layer, value in mine.on_dev().items():
                    if value < found[layer].fitted["dev_kl"]:
                        told = _told(materials, value, before[layer], rate=rate, step=step)
                        found[layer] = mine.translator(layer, told)
            done = (place + step / steps) / len(RATES)
            materials.progress(done, f"tuning the lens, rate {rate:g}, step {step} of {steps}")
    return found


def _told(materials: Materials, value: float, before: float, *, rate: float = 0.0, step: int = 0) -> dict[str, Any]:
    """Return how a map was found, as plain data."""
    tokens = len(materials.train)
    return {"rate": rate, "step": step, "steps": materials.steps, "dev_kl": value, "dev_kl_before": before,
            "train_tokens": tokens, "seed": materials.seed}  # fmt: skip


def _size(materials: Materials, layer: int) -> float:
    """Return the root mean square of a layer's values."""
    n = len(materials.train)
    states = materials.train.states(layer, np.unique(np.linspace(0, n - 1, min(n, _SCALED)).astype(np.int64)))
    return float(np.sqrt(np.square(states, dtype=np.float64).mean()))


def _states(materials: Materials, part: Any, layer: int, which: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(part.states(layer, which)).to(materials.ending.loaded.device)


@torch.no_grad()
def _final(materials: Materials, part: Any, which: np.ndarray) -> torch.Tensor:
    return _logs(materials, _states(materials, part, materials.ending.layer, which))


def _logs(materials: Materials, states: torch.Tensor) -> torch.Tensor:
    return materials.ending.logits(states.to(materials.ending.loaded.dtype)).float().log_softmax(dim=-1)


def _divergences(final: torch.Tensor, logs: torch.Tensor) -> torch.Tensor:
    """Return KL(final || logs) of every token, nats [n]."""
    shares = final.exp()
    return torch.where(shares > 0, shares * (final - logs), 0.0).sum(dim=-1).clamp(min=0)  # rounding goes below


LENS = Lens(
    "tuned",
    fit,
    said="an affine map of each layer, begun as the identity, fitted on train by KL(last layer || lens); rate and step "
    "chosen on dev",
    reference="Belrose et al. 2023, Eliciting latent predictions from transformers with the tuned lens, "
    "https://arxiv.org/abs/2303.08112",
)
