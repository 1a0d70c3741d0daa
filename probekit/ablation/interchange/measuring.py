"""Interchanges layer by layer: subspaces fitted on training pairs, and what comes of them on others.

Enters: pairs, split, and a model. Leaves: a :class:`Layer` a layer: the margins of every pair under every subspace and
its controls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from probekit.ablation.erasure import Eraser, random_of_rank
from probekit.ablation.interchange.pairs import Pair
from probekit.ablation.interchange.patching import At, Exchange, FloatArray, Patching, batches_of
from probekit.ablation.subspaces import Materials, Subspace
from probekit.models.sources.load import LoadedModel

TRAINED_TOGETHER = 512
"""Tokens of a batch that directions are learnt on: smaller ones, so that there are steps."""
RANKS = (1, 2, 4, 8)
"""Of which the smallest that is best on dev is taken, where a rank is to be chosen."""
Told = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is interchanged, and how it is found.

    Attributes
    ----------
    subspaces : tuple of Subspace
    at : str or int
    rank : int or None
        Of what has none of its own; None: chosen on dev, of :data:`RANKS`.
    draws : int
        Random subspaces of each rank.
    classes : str
        The fact of items that is their class.
    batch_tokens : int
    seed : int
    """

    subspaces: tuple[Subspace, ...]
    at: At
    rank: int | None
    draws: int
    classes: str
    batch_tokens: int
    seed: int


@dataclass(frozen=True, slots=True)
class Found:
    """What comes of interchanging one subspace: margins of the source's answer above the base's, nats.

    Attributes
    ----------
    subspace : Eraser or None
        None: the whole space.
    dev, test : float64 array [pairs]
    placebo : float64 array [test pairs that have one]
        With the placebo in the place of the source.
    """

    subspace: Eraser | None
    dev: FloatArray
    test: FloatArray
    placebo: FloatArray

    @property
    def rank(self) -> int | None:
        """Directions of the subspace; None: the whole space."""
        return None if self.subspace is None else self.subspace.rank


@dataclass(frozen=True, slots=True)
class Layer:
    """What comes of interchanges at one layer.

    Attributes
    ----------
    layer : int
    found : mapping of str to Found
        By the names of subspaces.
    random : mapping of int to float64 array [draws, test pairs]
        Of random subspaces, by rank.
    """

    layer: int
    found: Mapping[str, Found]
    random: Mapping[int, FloatArray]


class Measuring:
    """A model, and pairs that are fitted on, chosen on and shown.

    Parameters
    ----------
    loaded : LoadedModel
    split : mapping of str to list of Pair
        ``train``, ``dev``, ``test``.
    plan : Plan

    Attributes
    ----------
    plain : mapping of str to float64 array [pairs]
        Margins without any interchange, of ``train``, ``dev``, ``test`` and ``placebo``.
    """

    def __init__(self, loaded: LoadedModel, split: Mapping[str, Sequence[Pair]], plan: Plan) -> None:
        self.model, self.plan, self.pairs = Patching(loaded), plan, split
        swaps = {name: [(pair.base, pair.source) for pair in pairs] for name, pairs in split.items()}
        swaps["placebo"] = [(pair.base, pair.placebo) for pair in split["test"] if pair.placebo is not None]
        tokens = {"train": min(TRAINED_TOGETHER, plan.batch_tokens)}
        self._batches = {
            name: batches_of(some, plan.at, loaded=loaded, batch_tokens=tokens.get(name, plan.batch_tokens))
            for name, some in swaps.items()
        }
        self.plain = {name: self.model.plain(batches) for name, batches in self._batches.items()}

    @property
    def notes(self) -> list[str]:
        """What must be said of how it ran."""
        return self.model.notes

    def layer(self, layer: int) -> Layer:
        """Fit every subspace at a layer, and interchange it."""
        sides = {name: Exchange(self.model, batches, layer) for name, batches in self._batches.items()}
        materials = self._materials(sides["train"])
        found = {one.name: self._found(one, materials, sides) for one in self.plan.subspaces}
        width = materials.vectors.shape[1]
        random = {
            rank: np.stack([
                sides["test"].margins(random_of_rank(rank, np.zeros(width), seed=self.plan.seed + draw))
                for draw in range(self.plan.draws)
            ])
            for rank in sorted({one.rank for one in found.values() if one.rank})
        }  # fmt: skip
        return Layer(layer, found, random)

    def _found(self, one: Subspace, materials: Materials, sides: Mapping[str, Exchange]) -> Found:
        best: tuple[float, Eraser | None, FloatArray] | None = None
        tried = RANKS if one.ranked and self.plan.rank is None else (materials.rank,)
        for rank in (rank for rank in tried if rank <= materials.vectors.shape[1]):
            fitted = one.fit(replace(materials, rank=rank))
            dev = sides["dev"].margins(fitted)
            score = float((dev > 0).mean())
            if best is None or score > best[0]:
                best = score, fitted, dev
        assert best is not None
        _, fitted, dev = best
        return Found(fitted, dev, sides["test"].margins(fitted), sides["placebo"].margins(fitted))

    def _materials(self, train: Exchange) -> Materials:
        """Return what subspaces are found from."""
        base, source, numbers = train.exchanged()
        names = [self._classes(pair) for pair in self.pairs["train"]]
        labels = np.array([names[number][side] for side in (0, 1) for number in numbers])
        vectors = np.concatenate([base, source])
        known = labels != ""
        learn = partial(train.loss, size=float(np.abs(self.plain["train"]).mean()) or 1.0)
        return Materials(
            vectors[known] if known.any() else vectors, labels[known], source - base, self.plan.rank or RANKS[0],
            self.plan.seed, [partial(learn, number) for number in range(len(train.batches))],
            self.model.loaded.device,
        )  # fmt: skip

    def _classes(self, pair: Pair) -> tuple[str, str]:
        """Return the classes of base and source; empty where the items do not say."""
        base, source = (str(one.item.facts.get(self.plan.classes, "")) for one in (pair.base, pair.source))
        return base, source
