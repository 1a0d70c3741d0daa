"""What an extraction would cost: rows, bytes, time and free disk (``--dry-run``).

Enters: a :class:`~probekit.extraction.request.Request`. Leaves: a frozen :class:`Cost`. The time is measured, by
running a few batches of the very corpus; rows are exact up to eight shards, beyond that estimated from eight.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit.cache.format.names import PAIRS, TensorSpec
from probekit.cache.keep import EVERY_TOKEN, SENTENCE, TOKENS, WORDS, Keep
from probekit.cache.write.staging import stage
from probekit.corpus import open_corpus
from probekit.extraction.kept_places import KeptPlaces
from probekit.extraction.request import Request
from probekit.extraction.sizes import Sizes
from probekit.extraction.spec import DTYPES, batch_tokens, batches
from probekit.sites import of_stack, site_of

if TYPE_CHECKING:
    from probekit.extraction.shard import TokenisedShard

SHARDS_LOOKED_AT = 8
BATCHES_RUN = 4


@dataclass(frozen=True, slots=True)
class Cost:
    """What an extraction would take.

    Attributes
    ----------
    examples, words, shards : int
    keep : str
        Which rows are kept.
    tokens, rows : int
        Model tokens, special ones included, and the rows that are kept of them, of one stack; estimated if not
        ``exact``.
    layers, width : int
        Layers kept (of all stacks) and the width of the first.
    sites : dict of str to int
        Places inside of blocks kept beside them, and their widths; of attention weights the heads.
    bytes, free_bytes : int
    bytes_by_store : dict
        The same extraction in the other precisions.
    seconds, tokens_per_second : float
        Measured on a few batches of this corpus, without writing.
    complete : bool
        Whether this very cache is there already.
    sizes : Sizes
        What the bytes come from, and what others would be.
    notes : list of str
        What opening and reading the corpus decided; the cache that is there already, or those of the same names and how
        they differ.
    """

    root: Path
    examples: int
    words: int
    shards: int
    split_rule: str
    keep: str
    tokens: int
    rows: int
    exact: bool
    layers: int
    width: int
    sites: dict[str, int]
    store: str
    bytes: int
    bytes_by_store: dict[str, int]
    free_bytes: int
    device: str
    seconds: float
    tokens_per_second: float
    complete: bool
    notes: list[str]
    sizes: Sizes

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``extract --dry-run --json`` prints."""
        plainly = asdict(self)
        del plainly["sizes"]
        return {"schema": "probekit.cost/1", **plainly, "root": str(self.root)}


def estimate(request: Request) -> Cost:
    """Measure what :func:`~probekit.extraction.run.extract_request` would cost, writing no cache."""
    from probekit.cache.format.certificate import CHATS, chat_notes
    from probekit.extraction.chats import certify, with_template
    from probekit.extraction.forward_pass import ModelPass
    from probekit.extraction.identity import complete_cache, identify, other_caches
    from probekit.extraction.opening import load_for, tokeniser_for
    from probekit.extraction.places import chosen_tensors
    from probekit.models.sources.find import find_model, shadowing_note

    source = find_model(request.model, revision=request.revision)
    request, corpus = with_template(request, source), open_corpus(request.corpus)
    places = KeptPlaces(request.spec.keep) if request.spec.keep.places else None
    with stage(corpus, request.root, subsample=request.subsample, places=places) as staged:
        loaded = load_for(request, source)
        identity = identify(request, source, staged, None if request.spec.control is None else loaded)
        if (there := complete_cache(request.root, identity)) is not None:
            notes = [f"It is complete already: {there}."]
        else:
            notes = other_caches(request.root, identity)
        notes = [*shadowing_note(request.model), *notes, *([] if places is None else places.notes())]
        tensors = chosen_tensors(loaded, request.spec)
        tokeniser = tokeniser_for(loaded, request.spec)
        if tokeniser.chats is not None:
            notes = [*notes, *chat_notes({CHATS: certify(staged, tokeniser, corpus)})]
        looked_at = _spread(staged.shards, SHARDS_LOOKED_AT)
        ready = [tokeniser.prepare(staged.folder, shard) for shard in looked_at]
        grown = staged.words / sum(shard.words for shard in looked_at)
        layout = ready[len(ready) // 2].layout
        cuts = _spread(batches(layout.lengths, batch_tokens(request.spec, loaded.device.type)), BATCHES_RUN)
        names = [tensor.name for tensor in tensors]
        with request.spec.at_work(loaded), ModelPass(loaded, names, store=request.spec.store) as forward_pass:
            forward_pass.run(layout.segments[cuts[0]])
            started = time.perf_counter()
            for cut in cuts:
                forward_pass.run(layout.segments[cut])
            seconds = time.perf_counter() - started
    ran = sum(segment.stop - segment.start for cut in cuts for segment in layout.segments[cut])
    inside = {str(site.label): tensor.width for tensor in tensors if (site := site_of(tensor.name)).inside}
    counted = {
        keep.name: _counts(ready, keep, tensors, loaded.decoder_start_id, grown)
        for keep in dict.fromkeys((request.spec.keep, EVERY_TOKEN, Keep((WORDS,))))
    }
    sizes = Sizes(tensors, counted)
    sizes = Sizes(tensors, {SENTENCE: dict.fromkeys(sizes.stacks, staged.examples), **counted})
    keep, stack = request.spec.keep.name, sizes.stacks[0]
    tokens = counted[TOKENS][stack]
    return Cost(
        root=request.root,
        examples=staged.examples,
        words=staged.words,
        shards=len(staged.shards),
        split_rule=staged.split_rule,
        keep=keep,
        tokens=tokens,
        rows=counted[keep][stack],
        exact=len(looked_at) == len(staged.shards),
        layers=len(tensors) - len(inside),
        width=tensors[0].width,
        sites=inside,
        store=request.spec.store,
        bytes=sizes.bytes(keep, request.spec.store),
        bytes_by_store={store: sizes.bytes(keep, store) for store in DTYPES if store != request.spec.store},
        free_bytes=shutil.disk_usage(request.root).free,
        device=loaded.device.type,
        seconds=tokens * seconds / ran,
        tokens_per_second=ran / seconds,
        complete=there is not None,
        notes=[*source.remarks, *staged.remarks, *notes],
        sizes=sizes,
    )


def _counts(
    ready: Sequence[TokenisedShard],
    keep: Keep,
    tensors: Sequence[TensorSpec],
    decoder_start: int | None,
    grown: float,
) -> dict[str, int]:
    """Return the rows of each stack and its pairs of tokens, over all shards as over those that were looked at."""
    counts: dict[str, int] = {}
    for stack in dict.fromkeys(tensor.stack for tensor in tensors):
        if keep.pooled:
            rows = sum(len(replace(item, keep=keep).rows_of(stack, decoder_start)) for item in ready)
        else:
            rows = sum(len(item.layout.examples_of(stack)) for item in ready)
        counts[stack] = round(rows * grown)
        counts[of_stack(stack, PAIRS)] = round(sum(item.layout.pairs_of(stack) for item in ready) * grown)
    return counts


def _spread(items: Sequence[Any], count: int) -> list[Any]:
    """Choose at most ``count`` items, evenly over the sequence."""
    if len(items) <= count:
        return list(items)
    return [items[i * (len(items) - 1) // (count - 1)] for i in range(count)]
