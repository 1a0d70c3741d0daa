"""WEAT and SEAT on the vectors of a cache, layer by layer.

Enters: association tests, and a cache of their words or sentences (:func:`examples_of` gives what to extract). Leaves:
an association a test and layer. A text's vector is pooled as everywhere: the mean over its words' tokens, specials out,
or its first or last token with text. Surprise: a text is found by being a whole example of the cache; a word inside a
longer sentence is another thing, and is not taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from probekit.behaviour.bias.weat import PERMUTATIONS, Association, AssociationTest, weat
from probekit.cache.reader import ActivationCache
from probekit.corpus.notes import list_names
from probekit.errors import InputError
from probekit.example import Example
from probekit.features import Pooler, TargetTable
from probekit.sites import Layer


@dataclass(frozen=True, slots=True)
class LayerAssociation:
    """An association test at a layer.

    Attributes
    ----------
    test : str
    layer : int or str
    association : Association
    left_out : tuple of str
        Texts that the cache does not hold, or that no token covers: they have no vector.
    """

    test: str
    layer: Layer
    association: Association
    left_out: tuple[str, ...]


def examples_of(tests: Iterable[AssociationTest]) -> list[Example]:
    """Return every text of the tests once, as an example to extract; its words are what spaces separate."""
    texts = dict.fromkeys(text for test in tests for part in test.texts for text in part)
    return [Example(f"text-{i}", tuple(text.split()), text) for i, text in enumerate(texts)]


def associations_of_cache(
    cache: ActivationCache,
    tests: Sequence[AssociationTest],
    *,
    layers: Sequence[int | str] | None = None,
    pool: str = "mean",
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> list[LayerAssociation]:
    """Run association tests at layers of a cache.

    Parameters
    ----------
    cache : ActivationCache
        That holds the texts of the tests as examples.
    tests : sequence of AssociationTest
    layers : sequence of int or str, optional
        By default all of them; of an encoder-decoder those of the encoder.
    pool : {"mean", "first", "last"}
        How the tokens of a text become one vector.
    permutations, seed : int
        As of :func:`~probekit.behaviour.bias.weat`.

    Raises
    ------
    InputError
        Less than two texts of a set are in the cache.
    UsageError
        A layer that the cache does not hold, an unknown pooling.
    """
    stack = cache.stacks[0]
    places: dict[tuple[str, ...], int] = {}
    for i, example in enumerate(cache.examples()):
        places.setdefault(example.words, i)
    wanted = {tuple(text.split()) for test in tests for part in test.texts for text in part}
    held = [words for words in places if words in wanted]
    pooler = Pooler(cache.index(stack), _table(held, places), pool=pool, textless=cache.textless or ())
    row = {words: i for i, words in enumerate(tuple(form.split(" ")) for form in pooler.table.forms)}
    chosen = [_rows(test, row, cache.path.name) for test in tests]
    out = []
    for layer in cache.layers(stack) if layers is None else layers:
        vectors = pooler.matrix(cache.layer(layer, stack))
        for test, (sets, left_out) in zip(tests, chosen, strict=True):
            X, Y, A, B = (vectors[rows] for rows in sets)
            found = weat((X, Y), (A, B), permutations=permutations, seed=seed)
            out.append(LayerAssociation(test.name, layer, found, left_out))
    return out


def _table(held: Sequence[tuple[str, ...]], places: dict[tuple[str, ...], int]) -> TargetTable:
    """Return targets that are whole examples."""
    n = len(held)
    return TargetTable(
        example=np.array([places[words] for words in held], np.int64),
        spans=np.array([[[0, len(words)]] for words in held], np.int64).reshape(n, 1, 2),
        labels=[0] * n,
        keys=[None] * n,
        split=np.zeros(n, np.int8),
        group=[None] * len(places),
        ids=[""] * len(places),
        forms=[" ".join(words) for words in held],
        without_token=Counter(),
        passed_over=np.zeros(n, bool),
    )


def _rows(
    test: AssociationTest, row: dict[tuple[str, ...], int], where: str
) -> tuple[list[list[int]], tuple[str, ...]]:
    """Return the rows of the four sets, and the texts without one."""
    sets, lost = [], []
    for category, part in zip(test.categories, test.texts, strict=True):
        found = [row.get(tuple(text.split())) for text in part]
        lost += [text for text, its in zip(part, found, strict=True) if its is None]
        sets.append([its for its in found if its is not None])
        if len(sets[-1]) < 2:
            raise InputError(
                f"{where} holds {len(sets[-1])} of the {len(part)} texts of '{category}' (test {test.name}); two "
                f"or more are needed. Not there: {list_names(lost)}. Extract the texts of the test, each as an example."
            )
    return sets, tuple(lost)
