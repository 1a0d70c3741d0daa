"""Which layers are read, whether they fit, and their matrices one after the other.

Enters: an open cache, one pooler a stack. Leaves: a stream of matrices. Surprise: the next layer is read
while the last one is used, so two are in memory, unless they are large; where ``max_ram`` does not hold them
they lie in temporary files.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from probekit.cache.reader import ActivationCache
from probekit.errors import UsageError
from probekit.example import SPLITS
from probekit.features import Pooler, TargetTable, TokenGatherer
from probekit.probing.estimators import Estimator, LayerMatrix, LayerTokens
from probekit.sites import join_layer, parse_layers

READ_AHEAD = 1e9
"""Bytes of a layer's matrix above which the next one is not read before this one is done with."""


def choose_layers(cache: ActivationCache, layers: str | Sequence[int | str]) -> list[tuple[str, int | str]]:
    """Return (stack, layer) of every layer asked for, bottom to top."""
    wanted = parse_layers(layers)
    places: list[tuple[str, int | str]] = []
    for stack in cache.stacks:
        kept = cache.layers(stack)
        if wanted != "all":
            missing = [layer for layer in wanted if layer not in kept]
            if missing:
                raise UsageError(
                    f"The `layers` option must name layers of the cache ({', '.join(map(str, kept))}). Got "
                    f"'{missing[0]}'."
                )
        places.extend((stack, layer) for layer in (kept if wanted == "all" else wanted))
    return places


def poolers_of(
    cache: ActivationCache, table: TargetTable, places: Sequence[tuple[str, int | str]], *, pool: str, pair: str
) -> dict[str, Pooler]:
    """Return what turns the rows of each stack into vectors."""
    stacks = dict.fromkeys(stack for stack, _ in places)
    textless = cache.textless or ()
    return {stack: Pooler(cache.index(stack), table, pool=pool, pair=pair, textless=textless) for stack in stacks}


def check_memory(
    cache: ActivationCache,
    poolers: Mapping[str, Pooler],
    places: Sequence[tuple[str, int | str]],
    max_ram: float | None,
) -> None:
    """Send the matrices of layers that need more than ``max_ram`` GB to temporary files.

    Up to three matrices exist at once: as read, standardised, and the next one. The files lie in TMPDIR if that is set,
    else beside the cache.
    """
    if max_ram is None:
        return
    for stack, layer in places:
        pooler = poolers[stack]
        needed = 3 * 4 * len(pooler.table) * pooler.width * cache.layer(layer, stack).shape[1] / 1e9
        if needed > max_ram:
            beside = cache.path.parent
            pooler.scratch = Path(tempfile.gettempdir()) if "TMPDIR" in os.environ else beside


def read_layers(
    cache: ActivationCache, poolers: Mapping[str, Pooler], places: Sequence[tuple[str, int | str]]
) -> Iterator[LayerMatrix]:
    """Yield the matrix of one layer after the other, cut by split."""

    def read(place: tuple[str, int | str]) -> NDArray[np.float32]:
        stack, layer = place
        return poolers[stack].matrix(cache.layer(layer, stack))

    train, dev, test = (next(iter(poolers.values())).table.part(split) for split in SPLITS)
    with ThreadPoolExecutor(1, "read") as ahead:
        upcoming: Future[NDArray[np.float32]] | None = None
        for place, after in zip(places, [*places[1:], None], strict=True):
            X = upcoming.result() if upcoming else read(place)
            upcoming = ahead.submit(read, after) if after and X.nbytes <= READ_AHEAD else None
            stack, layer = place
            matrix = LayerMatrix(join_layer(stack, layer), X[train], X[dev], X[test])
            del X
            yield matrix
            # A reference left here would keep this layer in memory while the next one is read.
            del matrix


def read_tokens(
    cache: ActivationCache, poolers: Mapping[str, Pooler], places: Sequence[tuple[str, int | str]]
) -> Iterator[LayerTokens]:
    """Yield the tokens around the targets of one layer after the other, cut by split."""
    gatherers = {stack: TokenGatherer(cache.index(stack), pooler.table) for stack, pooler in poolers.items()}
    for stack, layer in places:
        view = cache.layer(layer, stack)
        parts = (gatherers[stack].rows(view, split) for split in SPLITS)
        yield LayerTokens(join_layer(stack, layer), *parts)


def read_for(
    estimator: Estimator,
    cache: ActivationCache,
    poolers: Mapping[str, Pooler],
    places: Sequence[tuple[str, int | str]],
) -> Iterator[LayerMatrix] | Iterator[LayerTokens]:
    """Yield the layers as an estimator reads them: one vector a target, or the tokens around it."""
    return (read_tokens if estimator.tokens else read_layers)(cache, poolers, places)
