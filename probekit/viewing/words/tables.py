"""Where words get their vectors: a file, the forms of a cached corpus, or a model that reads each word in a template.

Enters: what the user named. Leaves: a :class:`WordTable` a layer; its words are the candidates of an answer. A word is
looked up by its form, then by its lower-cased form. Surprise: the candidates of a model are the words that are asked
for, far fewer than a file has, so scores of the two do not compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from probekit.cache.keep import need_words
from probekit.cache.reader import ActivationCache
from probekit.errors import InputError, UsageError
from probekit.models.sources.static import is_static, named_path
from probekit.models.sources.vectors import read_vectors
from probekit.probing.dataset import choose_layers
from probekit.sites import join_layer, parse_layers

Progress = Callable[[float, str], None]
SLOT = "{}"
"""Where a word stands in a template."""


@dataclass(frozen=True)
class WordTable:
    """Words and their vectors.

    Attributes
    ----------
    layer : int, str or None
        None of a file of vectors.
    words : list of str
    unit : float32 array [words, d]
        Vectors of length 1.
    rows : dict of str to int
    """

    layer: int | str | None
    words: list[str]
    unit: NDArray[np.float32]
    rows: dict[str, int] = field(repr=False)

    @classmethod
    def of(cls, layer: int | str | None, words: Sequence[str], vectors: NDArray[np.floating]) -> WordTable:
        """Make a table; a word whose vector is zero or not finite has no direction and is left out."""
        vectors = np.asarray(vectors, np.float32)
        length = np.linalg.norm(vectors.astype(np.float64), axis=1)
        kept = np.flatnonzero(np.isfinite(length) & (length > 0))
        if not len(kept):
            raise InputError("No word has a vector with a direction: all are zero. Look at another layer.")
        named = [words[row] for row in kept.tolist()]
        unit = (vectors[kept] / length[kept, None]).astype(np.float32)
        return cls(layer, named, unit, {word: row for row, word in enumerate(named)})

    def find(self, word: str) -> int | None:
        """Return the row of a word, by its form or by its lower-cased form; None where it has none."""
        return self.rows.get(word, self.rows.get(word.lower()))


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a source, one a layer.

    Attributes
    ----------
    model : dict
        ``name`` and digests, as reports have it.
    how : str
        How words get their vectors.
    tables : list of WordTable
    cache : Path or None
    """

    model: dict[str, Any]
    how: str
    tables: list[WordTable]
    cache: Path | None = None


def open_tables(
    asked: Iterable[str],
    *,
    on: ActivationCache | None,
    model: str,
    layers: Any,
    template: str,
    vocabulary: int | None,
    root: Any,
    progress: Progress | None = None,
) -> Tables:
    """Open the vectors of words.

    Parameters
    ----------
    asked : iterable of str
        Words of the questions.
    on : ActivationCache or None
        Forms of its corpus are averaged; None: `model` says where vectors are from.
    model : str
        ``static:FILE``, ``static:MODEL`` or a model.
    layers : str, int, iterable of layers, or None
        None: the last one.
    template : str
        What a model reads, with ``{}`` for the word, as one word of it.
    vocabulary : int or None
        Candidates of a file at most, its first ones.
    root : path or None
        Folder of caches, for what a model reads.
    progress : callable or None

    Raises
    ------
    UsageError
        No such layer, a template without ``{}``.
    """
    if on is not None:
        return of_cache(on, layers)
    if is_static(model) and named_path(model).is_file():
        if layers is not None:
            raise UsageError(f"The `layers` option is for models and caches; '{model}' is a file of vectors.")
        found = read_vectors(named_path(model))
        words = list(found.rows)[:vocabulary]
        table = WordTable.of(None, words, found.table[[found.rows[word] for word in words]])
        return Tables({"name": model}, "the vectors of a file", [table])
    return _read_by(model, sorted(set(asked)), layers=layers, template=template, root=root, progress=progress)


def of_cache(cache: ActivationCache, layers: Any) -> Tables:
    """Average the vectors of each form over its uses in a corpus, each use the mean of its tokens."""
    need_words(cache, "A table of words", means=True)
    number: dict[str, int] = {}
    homes = [[number.setdefault(word, len(number)) for word in example.words] for example in cache.examples()]
    tables = []
    for stack, place in choose_layers(cache, _or_last(cache, layers)):
        index = cache.index(stack)
        inside = np.flatnonzero(index.word >= 0)
        form = np.array([homes[e][w] for e, w in zip(index.example[inside], index.word[inside], strict=True)], np.int64)
        place_of = index.example[inside].astype(np.int64) * (1 << 32) + index.word[inside]
        _, use, tokens = np.unique(place_of, return_inverse=True, return_counts=True)
        weights = np.zeros(len(index.word))
        weights[inside] = 1 / tokens[use]
        forms = np.zeros(len(index.word), np.int64)
        forms[inside] = form
        view, low = cache.layer(place, stack), 0
        total = np.zeros((len(number), view.shape[1]))
        for block in view.float_blocks():
            rows = slice(low, low := low + len(block))
            of_block = np.arange(len(block))
            total += sparse.csr_matrix((weights[rows], (forms[rows], of_block)), (len(number), len(block))) @ block
        tables.append(WordTable.of(join_layer(stack, place), list(number), total))
    how = f"the mean of each form's uses in {cache.corpus['name']}"
    return Tables(dict(cache.model), how, tables, cache.path)


def _read_by(
    model: str, words: Sequence[str], *, layers: Any, template: str, root: Any, progress: Progress | None
) -> Tables:
    """Let a model read every word in the template, and take the word's own tokens."""
    from probekit.extraction.run import extract

    parts = template.split()
    if parts.count(SLOT) != 1:
        raise UsageError(f"The `template` option must have '{SLOT}' once, as a word of its own. Got '{template}'.")
    place = parts.index(SLOT)
    sentences = [[*parts[:place], word, *parts[place + 1 :]] for word in words]
    made = extract(model, sentences, cache=root, progress=progress)
    cache = ActivationCache.open(made.cache)
    tables = []
    for stack, layer in choose_layers(cache, _or_last(cache, layers)):
        index, view = cache.index(stack), cache.layer(layer, stack)
        own = np.flatnonzero(index.word == place)
        counts = np.bincount(index.example[own], minlength=len(words))
        shape = (len(words), len(own))
        weights = sparse.csr_matrix((1 / counts[index.example[own]], (index.example[own], np.arange(len(own)))), shape)
        tables.append(WordTable.of(join_layer(stack, layer), words, weights @ view[own]))
    how = "each word alone" if len(parts) == 1 else f"each word in '{template}'"
    return Tables(dict(cache.model), f"{how}, the mean of its tokens", tables, cache.path)


def _or_last(cache: ActivationCache, layers: Any) -> Any:
    kept = [layer for layer in cache.layers(cache.stacks[0]) if isinstance(layer, int)]
    return (kept[-1],) if layers is None else parse_layers(layers, inside=True)
