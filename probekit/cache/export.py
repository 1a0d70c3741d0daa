"""Take vectors out of a cache for use elsewhere: NumPy files, CSV, Parquet, a DataFrame.

An open cache enters; a file or a frame leaves, one row a token or a word. Surprise: rows come in the
order of the cache (longest example first inside a shard); the column ``example`` gives the order of
the corpus.
"""

from __future__ import annotations

import importlib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.cache.examples import read_examples
from probekit.cache.index import columns_of, index_of
from probekit.cache.keep import need_words
from probekit.cache.layers import as_float32
from probekit.cache.reader import ActivationCache
from probekit.errors import ResourceError, UsageError, did_you_mean
from probekit.sites import of_stack, site_of, tensor_name
from probekit.storage.files import replacing

if TYPE_CHECKING:
    import pandas

CHUNK = 8192
"""Rows turned into text at once."""


def export(
    cache: ActivationCache,
    file: Path | str,
    *,
    layers: str | Sequence[int | str] = "all",
    words: bool = False,
    stack: str | None = None,
) -> dict[str, Any]:
    """Write vectors and what they belong to.

    Parameters
    ----------
    cache : ActivationCache
    file : path
        ``.npz`` (one array a layer and the indexes), ``.npy`` (one layer), ``.csv`` or ``.parquet``
        (the columns of :func:`frame`). Appears whole or not at all.
    layers : str or sequence
        ``"all"``, ``"0,3,final"``, or a list.
    words : bool
        One row a word, the mean of its tokens, in place of one a token; special tokens are left out.
    stack : str, optional
        Of an encoder-decoder; the first by default.

    Returns
    -------
    dict
        ``file``, ``rows``, ``columns``, ``bytes``.

    Raises
    ------
    UsageError
        For an unknown suffix or layer.
    ResourceError
        If a layer does not fit into memory, or the file cannot be written.
    """
    path = Path(file)
    table = _Table(cache, layers, words=words, stack=cache.stacks[0] if stack is None else stack)
    writers: dict[str, Callable[[_Table, Path], None]] = {
        ".npz": _npz,
        ".npy": _npy,
        ".csv": _csv,
        ".parquet": _parquet,
    }
    if path.suffix not in writers:
        near = did_you_mean(path.suffix, writers)
        raise UsageError(f"The `file` must end in one of {', '.join(writers)}. Got {str(path)!r}.{near}")
    try:
        with replacing(path) as part:
            writers[path.suffix](table, part)
    except OSError as error:
        raise ResourceError(
            f"'{path}' cannot be written: {error.strerror or error}. Give another FILE, in a folder that exists, can "
            "be written and has room."
        ) from error
    columns = sum(cache.layer(layer, table.stack).shape[1] for layer in table.layers)
    return {"file": str(path), "rows": table.rows, "columns": columns, "bytes": path.stat().st_size}


def frame(
    cache: ActivationCache,
    layers: str | Sequence[int | str] = "all",
    *,
    words: bool = False,
    stack: str | None = None,
) -> pandas.DataFrame:
    """Return a DataFrame: example, id, word, form (and token), then one column a dimension (``layer.03.17``)."""
    import pandas

    table = _Table(cache, layers, words=words, stack=cache.stacks[0] if stack is None else stack)
    parts = [table.keys(number) | table.columns(number) for number in range(len(cache.shards))]
    return pandas.concat([pandas.DataFrame(part) for part in parts], ignore_index=True)


class _Table:
    """The rows of some layers, shard by shard."""

    def __init__(self, cache: ActivationCache, layers: str | Sequence[int | str], *, words: bool, stack: str) -> None:
        self.cache = cache
        self.stack = stack
        self.words = words
        sites = [place for place in cache.sites(stack) if not site_of(place).ragged]
        self.layers = _chosen(layers, cache.layers(stack), sites)
        if words:
            need_words(cache, "An export of words")
        self._indexes = [of_stack(stack, name) for name in cache.indexes]
        self.rows = sum(len(self.index(number)["example"]) for number in range(len(cache.shards)))

    def index(self, number: int) -> dict[str, NDArray[np.int32]]:
        """Example and word of the rows of a shard, and what else there is of each where they are not pooled here."""
        index = index_of([self.cache.index_block(name, number) for name in self._indexes], self.cache.keep)
        if not self.words:
            return columns_of(index)
        example, word = index.example, index.word
        starts = _word_starts(example, word)
        kept = starts[word[starts] >= 0]
        return {"example": example[kept], "word": word[kept]}

    def keys(self, number: int) -> dict[str, Any]:
        """The columns that say what each row is."""
        index = self.index(number)
        spec = self.cache.shards[number]
        examples = list(read_examples(self.cache.path / "corpus", spec))
        pairs = list(zip((index["example"] - spec.start).tolist(), index["word"].tolist(), strict=True))
        ids = [examples[example].id for example, _ in pairs]
        forms = [examples[example].words[word] if word >= 0 else None for example, word in pairs]
        return {**index, "id": ids, "form": forms}

    def vectors(self, number: int, layer: int | str) -> NDArray[np.float32]:
        """The rows of one layer of a shard, float32 [rows, width]."""
        block = as_float32(self.cache.block(tensor_name(layer, self.stack), number))
        if not self.words:
            return block
        example, word = (self.cache.index_block(name, number) for name in self._indexes[:2])
        starts = _word_starts(example, word)
        counts = np.diff([*starts, len(word)])
        sums = np.add.reduceat(block, starts, axis=0)
        sums /= counts[:, None]
        return sums[word[starts] >= 0]

    def columns(self, number: int) -> dict[str, NDArray[np.float32]]:
        """The vectors of a shard, one column a dimension."""
        found = {}
        for layer in self.layers:
            name = tensor_name(layer, self.stack)
            for dimension, column in enumerate(self.vectors(number, layer).T):
                found[f"{name}.{dimension}"] = column
        return found

    def whole(self, layer: int | str) -> NDArray[np.float32]:
        """One layer over all shards."""
        if not self.words:
            return self.cache.layer(layer, self.stack).array()
        return np.concatenate([self.vectors(number, layer) for number in range(len(self.cache.shards))])

    def all_keys(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """The keys over all shards, as arrays without objects."""
        parts = [self.keys(number) for number in range(len(self.cache.shards))]
        for name in parts[0]:
            values = [["" if value is None else value for value in part[name]] for part in parts]
            yield name, np.concatenate([np.asarray(value) for value in values])


def _word_starts(example: NDArray[np.int32], word: NDArray[np.int32]) -> NDArray[np.intp]:
    """First rows of words (and of runs of special tokens)."""
    changes = (np.diff(word, prepend=-2) != 0) | (np.diff(example, prepend=-1) != 0)
    return np.flatnonzero(changes)


def _chosen(
    layers: str | Sequence[int | str], kept: Sequence[int | str], sites: Sequence[int | str]
) -> list[int | str]:
    """Return the layers that are meant; places inside of blocks are written where they are named."""
    if layers == "all":
        return list(kept)
    known = [*kept, *sites]
    asked = [part.strip() for part in layers.split(",")] if isinstance(layers, str) else list(layers)
    named = {str(layer): layer for layer in known}
    for part in asked:
        if str(part) not in named:
            shown = ",".join(named)
            allowed = f"a list like 0,3 or 'all' (this cache has {shown})"
            raise UsageError(f"The `layers` option must be {allowed}. Got {part!r:.60}.")
    return list(dict.fromkeys(named[str(part)] for part in asked))


def _npz(table: _Table, path: Path) -> None:
    with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
        for name, values in table.all_keys():
            _member(archive, name, values)
        for layer in table.layers:
            _member(archive, tensor_name(layer, table.stack), table.whole(layer))


def _member(archive: zipfile.ZipFile, name: str, values: NDArray[Any]) -> None:
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
        np.lib.format.write_array(file, values, allow_pickle=False)


def _npy(table: _Table, path: Path) -> None:
    if len(table.layers) != 1:
        raise UsageError("A .npy file holds one layer: name it with `layers`, or write .npz.")
    with path.open("wb") as file:
        np.lib.format.write_array(file, table.whole(table.layers[0]), allow_pickle=False)


def _csv(table: _Table, path: Path) -> None:
    import pandas

    with path.open("w", encoding="utf-8", newline="") as file:
        for number in range(len(table.cache.shards)):
            part = pandas.DataFrame(table.keys(number) | table.columns(number))
            part.to_csv(file, index=False, header=number == 0, chunksize=CHUNK)


def _parquet(table: _Table, path: Path) -> None:
    try:
        pyarrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise UsageError("Writing .parquet needs the package pyarrow: pip install pyarrow. Or write .npz.") from None
    writer = None
    try:
        for number in range(len(table.cache.shards)):
            part = pyarrow.table(table.keys(number) | table.columns(number))
            writer = writer or parquet.ParquetWriter(path, part.schema)
            writer.write_table(part)
    finally:
        if writer is not None:
            writer.close()
