"""Read a complete cache: layers as mapped blocks, indexes, examples.

A folder enters, arrays leave. Opening reads the manifest and the headers of the shards (sizes and digests are
compared), never the data; ``probekit cache verify`` hashes that. A cache without its manifest does not open, however
many shards it has.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import weakref
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit import plain
from probekit.cache.attention import AttentionView
from probekit.cache.examples import SOURCE, read_examples, read_source
from probekit.cache.format.header import Header
from probekit.cache.format.manifest import check_entry, check_sums, read_header, read_manifest
from probekit.cache.format.names import (
    INDEXES,
    NUMPY,
    POOLED_INDEXES,
    parse_name,
    receipt_name,
    shard_name,
)
from probekit.cache.format.plan import CachePlan, FormatVersionError, read_plan, resume_command
from probekit.cache.index import CacheIndex, index_of
from probekit.cache.keep import Keep
from probekit.cache.layers import LayerView
from probekit.errors import CacheError, ProbekitError, ResourceError, UsageError, did_you_mean
from probekit.sites import LAYER, STACKS, WEIGHTS, Site, of_stack, read_site, tensor_name
from probekit.storage.files import open_regular

if TYPE_CHECKING:
    from probekit.corpus.corpus import CorpusSource
    from probekit.example import Example


TEXTLESS = "tokens_without_text"
"""In the plan: ids of tokens that spell spaces and nothing else."""


class ActivationCache:
    """A complete cache, open for reading; make one with :meth:`open`.

    Attributes
    ----------
    path : Path
    manifest, made_with, identity, model, corpus : dict
        The manifest; the parts of ``plan.json`` (``made_with`` is its ``plan``); ``identity["model"]``; the corpus
        summary.
    """

    complete = True

    def __init__(self, plan: CachePlan, manifest: dict[str, Any], headers: Sequence[Header]) -> None:
        self.path = plan.folder
        self.manifest = manifest
        self.made_with = plan.made_with
        self.identity = plan.identity
        self.model: dict[str, Any] = plan.identity["model"]
        self.corpus = plan.corpus
        self.key = plan.key
        self.shards = plan.shards
        self._plan = plan
        self._headers = headers
        self._maps: weakref.WeakValueDictionary[int, mmap.mmap] = weakref.WeakValueDictionary()

    @classmethod
    def open(cls, path: os.PathLike[str] | str) -> ActivationCache:
        """Open a complete cache, checking sizes and header digests; what :func:`~probekit.extract` returned is a path.

        Raises
        ------
        UsageError
            What is no path.
        CacheError
            If it is incomplete (with the command that resumes), damaged (with the command that
            repairs), or written by a newer probekit.
        """
        folder = plain.path(path, "path")
        plan = read_plan(folder)
        try:
            manifest = read_manifest(plan)
            if manifest is not None:
                headers = [_check_shard(plan, manifest, number) for number in range(len(plan.shards))]
                check_sums(plan, manifest, headers)
                return cls(plan, manifest, headers)
        except FormatVersionError:
            raise
        except CacheError as error:
            raise CacheError(f"{error} Repair with: probekit cache verify --repair {folder}") from None
        done = sum(os.path.lexists(folder / "receipts" / receipt_name(spec.number)) for spec in plan.shards)
        raise CacheError(
            f"{folder} is incomplete: {done} of {len(plan.shards)} shards. Resume with: {resume_command(folder)}"
        )

    @property
    def nbytes(self) -> int:
        """Bytes of all shards on disk."""
        return int(self.manifest["totals"]["bytes"])

    @cached_property
    def stacks(self) -> tuple[str, ...]:
        """``("",)``, or ``("encoder", "decoder")`` for an encoder-decoder."""
        found = self._headers[0].rows
        return tuple(stack for stack in STACKS if stack in found)

    def layers(self, stack: str = "") -> list[int | str]:
        """Return the layers kept of a stack: their numbers, then ``"final"`` where there is one."""
        return [site.place for site in self._sites(stack) if not site.inside]

    def sites(self, stack: str = "") -> list[str]:
        """Return the places inside of blocks kept of a stack, ``"3.heads"``, in the order of the blocks."""
        return [str(site.place) for site in self._sites(stack) if site.inside]

    def layer(self, layer: int | str, stack: str = "") -> LayerView:
        """Return a view of one layer or place: a number, ``"final"``, ``"3.heads"``, with its stack ``"encoder:3"``.

        Raises
        ------
        UsageError
            If the cache does not hold it, or it is of attention weights, which are no vectors.
        """
        site = read_site(layer)
        stack = site.stack if site is not None and site.stack else stack
        known = [known.place for known in self._sites(stack) if not known.ragged]
        if site is None or site.place not in known:
            ragged = "" if site is None or not site.ragged else f" Attention weights: cache.attention({site.number})."
            raise UsageError(
                f"The `layer` must be one of {', '.join(map(str, known))} (what {self.path.name} holds). Got "
                f"{layer!r}.{ragged}"
            )
        name = tensor_name(site.place, stack)
        rows = [header.tensors[name].rows for header in self._headers]
        return LayerView(self._headers[0].tensors[name].spec, rows, block=self.block, where=self.path.name)

    def attention(self, layer: int | str, stack: str = "") -> AttentionView:
        """Return a view of the attention weights of one block: its number, or ``"3.weights"``.

        Raises
        ------
        UsageError
            If the cache does not hold them.
        """
        site = read_site(layer)
        stack = site.stack if site is not None and site.stack else stack
        known = {known.number: known for known in self._sites(stack) if known.kind == WEIGHTS}
        if site is None or site.kind not in (LAYER, WEIGHTS) or site.number not in known:
            has = f"the blocks {', '.join(map(str, known))}" if known else "none"
            raise UsageError(
                f"Of attention weights {self.path.name} holds {has}. Got {layer!r}. Extract with --sites {WEIGHTS}."
            )
        return AttentionView(
            self._headers[0].tensors[known[site.number].tensor].spec,
            self.shards,
            index=lambda number: self.index_block(of_stack(stack, INDEXES[0]), number),
            block=self.block,
            where=self.path.name,
        )

    def _sites(self, stack: str) -> list[Site]:
        """Return the places kept of a stack, in the order of the file."""
        self._check_stack(stack)
        found = [parse_name(name)[1] for name in self._headers[0].tensors]
        return [site for site in found if site is not None and site.stack == stack]

    @cached_property
    def keep(self) -> Keep:
        """Which rows the cache has: one a token, a word, a place of an example."""
        return Keep.of(self.identity)

    @property
    def indexes(self) -> tuple[str, ...]:
        """The names of the index tensors of a stack."""
        return POOLED_INDEXES if self.keep.pooled else INDEXES

    def index(self, stack: str = "") -> CacheIndex:
        """Return example, word and token of every row of a stack, and what a row pools where it pools tokens."""
        self._check_stack(stack)
        names, numbers = [of_stack(stack, name) for name in self.indexes], range(len(self.shards))
        parts = [np.concatenate([self.index_block(name, number) for number in numbers]) for name in names]
        return index_of(parts, self.keep)

    def index_block(self, name: str, number: int) -> NDArray[Any]:
        """Return an index of one shard, hashed first: a wrong number in it gives a label to another row.

        Raises
        ------
        UsageError
            There is no such index or shard.
        """
        name, number = self._check_block(name, number)
        if name not in self._headers[number].digests:
            known = list(self._headers[number].digests)
            raise UsageError(f"An index must be one of {', '.join(known)}. Got {name!r}.{did_you_mean(name, known)}")
        block = self.block(name, number)
        if hashlib.sha256(block.data).hexdigest() != self._headers[number].digests[name]:
            shard = self.path / "shards" / shard_name(number)
            raise CacheError(
                f"{shard} is damaged: {name} does not have its digest. Repair with: probekit cache verify --repair "
                f"{self.path}"
            )
        return block

    def examples(self) -> Iterator[Example]:
        """Yield the examples in corpus order: id, words, text, split, group; no annotations."""
        for spec in self.shards:
            yield from read_examples(self.path / "corpus", spec)

    @property
    def textless(self) -> tuple[int, ...] | None:
        """Ids of tokens that spell spaces and nothing else; None where the cache was written before they were kept."""
        ids = self.made_with.get(TEXTLESS)
        if ids is None:
            return None
        if not isinstance(ids, list) or not all(type(ident) is int for ident in ids):
            raise CacheError(f"{self.path} is damaged: the {TEXTLESS} of its plan must be numbers.")
        return tuple(ids)

    @property
    def source(self) -> CorpusSource | None:
        """Where the corpus was read from; None for one made in memory."""
        from probekit.corpus.corpus import CorpusSource

        path = self.path / "corpus" / SOURCE
        try:
            record = read_source(self.path / "corpus")
            return None if record is None else CorpusSource.from_json(record)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, ProbekitError):
                raise
            raise CacheError(f"{path} is damaged: {error!r}.") from None

    def block(self, name: str, number: int) -> NDArray[Any]:
        """Return a read-only mapped array of one tensor of one shard (bfloat16 as uint16 bits).

        Raises
        ------
        UsageError
            There is no such tensor or shard.
        """
        name, number = self._check_block(name, number)
        placed = self._headers[number].tensors[name]
        spec = placed.spec
        shape = (placed.rows, spec.width) if spec.width else (placed.rows,)
        if placed.nbytes == 0:
            return np.zeros(shape, NUMPY[spec.dtype])
        flat = np.frombuffer(self._map(number), NUMPY[spec.dtype], int(np.prod(shape)), placed.offset)
        return flat.reshape(shape)

    def _map(self, number: int) -> mmap.mmap:
        found = self._maps.get(number)
        if found is None:
            fd = open_regular(self.path / "shards" / shard_name(number))
            try:
                if os.fstat(fd).st_size != self._headers[number].size:
                    raise CacheError(f"Shard {number} of {self.path} changed its size while the cache was open.")
                found = mmap.mmap(fd, self._headers[number].size, access=mmap.ACCESS_READ)
            except OSError as error:
                raise ResourceError(f"Shard {number} of {self.path} cannot be mapped: {error.strerror}.") from None
            finally:
                os.close(fd)
            self._maps[number] = found
        return found

    def _check_block(self, name: str, number: int) -> tuple[str, int]:
        name = plain.text(name, "name")
        number = plain.whole(number, "number", least=0, most=len(self.shards) - 1)
        if name not in (known := self._headers[number].tensors):
            hint = did_you_mean(name, known)
            raise UsageError(f"A tensor of {self.path.name} must be one of {', '.join(known)}. Got {name!r}.{hint}")
        return name, number

    def __fspath__(self) -> str:
        """Return its folder: a cache is a path wherever one is expected."""
        return str(self.path)

    def _check_stack(self, stack: str) -> None:
        if plain.text(stack, "stack") not in self.stacks:
            raise UsageError(f"The `stack` must be one of {list(self.stacks)} for {self.path.name}. Got {stack!r}.")

    def __reduce__(self) -> tuple[Any, ...]:
        # It travels by its path, and is opened and checked again where it arrives.
        return ActivationCache.open, (self.path.absolute(),)

    def __repr__(self) -> str:
        return f"ActivationCache({str(self.path)!r})"

    def _repr_html_(self) -> str:
        from probekit.report.page.snippet import facts_snippet

        layers = "; ".join(f"{stack} {', '.join(map(str, self.layers(stack)))}".strip() for stack in self.stacks)
        facts = {"model": str(self.model["name"]), "corpus": str(self.corpus["name"]), "layers": layers}
        return facts_snippet(f"Cache {self.path}", facts | {"size": f"{self.nbytes:,} bytes"})


def _check_shard(plan: CachePlan, manifest: dict[str, Any], number: int) -> Header:
    header, sha256 = read_header(plan, number)
    check_entry(plan, manifest, header, sha256)
    return header
