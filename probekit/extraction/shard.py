"""One shard at a time: tokenise it, run its batches, write its rows behind the model's back.

Enters: a forward pass, an encoder of words, a cache writer. Leaves: published shards with their receipts. Writing and
hashing happen in a thread of their own, one batch behind; an error there surfaces at the next batch, and nothing
half-written is left.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from probekit.cache.examples import read_examples, read_kept
from probekit.cache.format.names import PAIRS, ShardSpec, TensorSpec
from probekit.cache.index import CacheIndex, columns_of
from probekit.cache.keep import EVERY_TOKEN, Keep
from probekit.cache.write.shard import ShardWriter
from probekit.cache.write.writer import CacheWriter
from probekit.errors import InputError, NumericError
from probekit.example import Example
from probekit.extraction.batch_check import BatchCheck
from probekit.extraction.forward_pass import BatchRows, ForwardPass, as_stored
from probekit.extraction.keeping import KeptRows, Places, rows_to_keep
from probekit.extraction.layout import Segment, ShardLayout, lay_out_shard
from probekit.extraction.pooled import RowSums
from probekit.extraction.spec import ExtractionSpec, batches
from probekit.models.tokens.align import Encoded
from probekit.models.tokens.alignment_counts import AlignmentCounts
from probekit.models.tokens.chat import ChatEncoder
from probekit.models.tokens.rendering import NotRendered
from probekit.models.tokens.words import Encoder
from probekit.sites import DECODER, of_stack, site_of

# Batches the writer may lag behind: enough to ride out a slow disk, little enough memory.
LAG = 4
NAMED = 20


@dataclass(frozen=True, slots=True)
class TokenisedShard:
    """A shard that is tokenised and laid out."""

    layout: ShardLayout
    alignment: AlignmentCounts
    names: Mapping[int, str]
    """Ids of the examples, by ordinal."""
    keep: Keep = EVERY_TOKEN
    places: Places | None = None
    textless: tuple[int, ...] = ()

    @property
    def rows(self) -> int:
        """Tokens of the shard (of each stack)."""
        return self.layout.rows

    def tokens_of(self, stack: str, decoder_start: int | None) -> CacheIndex:
        """Return what every token of a stack is."""
        word, token = self.layout.word, self.layout.token
        if stack == DECODER:
            assert decoder_start is not None
            word, token = self.layout.shifted(decoder_start)
        return CacheIndex(self.layout.examples_of(stack), word, token)

    def rows_of(self, stack: str, decoder_start: int | None) -> KeptRows:
        """Return the rows that are kept of a stack, where they are not its tokens."""
        return rows_to_keep(self.keep, self.tokens_of(stack, decoder_start), self.places, self.textless)


class Tokeniser:
    """Turns the stored examples of a shard into a :class:`TokenisedShard` layout."""

    def __init__(
        self, encoder: Encoder, spec: ExtractionSpec, *, limit: int | None, chats: ChatEncoder | None = None
    ) -> None:
        self.encoder = encoder
        self.chats = chats
        self.spec = spec
        self.limit = limit

    def prepare(self, folder: Path, shard: ShardSpec) -> TokenisedShard:
        """Read, tokenise and lay out one shard."""
        examples = list(read_examples(folder / "corpus", shard))
        encoded = self.encode(examples)
        ids = [example.id for example in examples]
        alignment = AlignmentCounts.of(encoded, [example.words for example in examples], ids)
        names = dict(enumerate(ids, shard.start))
        layout = lay_out_shard(encoded, ids, shard.start, limit=self.limit, overflow=self.spec.overflow)
        if not self.spec.keep.pooled:
            return TokenisedShard(layout, alignment, names)
        places = None
        if self.spec.keep.places:
            sizes = [len(example.words) for example in examples]
            places = Places.of(read_kept(folder / "corpus", shard), sizes, shard.start)
        return TokenisedShard(layout, alignment, names, self.spec.keep, places, tuple(self.encoder.textless))

    def encode(self, examples: Sequence[Example]) -> list[Encoded]:
        """Tokenise examples as words, as surface text or as chats."""
        if self.chats is not None:
            return [_chat(self.chats, example) for example in examples]
        if self.spec.input == "words":
            return self.encoder.encode_words([example.words for example in examples])
        for example in examples:
            if example.text is None:
                raise InputError(
                    f"--input text needs the surface text, which example '{example.id}' does not have. Read words "
                    "(--input words), or give a corpus of texts."
                )
        return self.encoder.encode_text([(example.text or "", example.words) for example in examples])


def _chat(chats: ChatEncoder, example: Example) -> Encoded:
    if not example.messages:
        raise InputError(
            f"Example '{example.id}' is no chat, and chats are read here. Give rows with the column 'messages', or "
            "'prompt' and 'completion'."
        )
    try:
        return chats.encode(example.messages)[0]
    except NotRendered as reason:
        raise InputError(f"The chat '{example.id}' cannot be read as it was written: message {reason}.") from None


class ShardRunner:
    """Runs shards through a forward pass; a context manager."""

    def __init__(
        self, forward_pass: ForwardPass, tensors: Sequence[TensorSpec], *, limit: int, decoder_start: int | None
    ) -> None:
        self.forward_pass = forward_pass
        self.tensors = list(tensors)
        self.limit = limit
        self.decoder_start = decoder_start
        self._behind = ThreadPoolExecutor(1, "write")
        self._pending: deque[Future[Any]] = deque()
        self._open: list[ShardWriter] = []

    def __enter__(self) -> ShardRunner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._behind.shutdown(wait=True, cancel_futures=True)
        while self._open:
            self._open.pop().close()

    def run(self, cache: CacheWriter, shard: ShardSpec, ready: TokenisedShard) -> Iterator[int]:
        """Run every batch of a shard; yield the rows done after each."""
        layout = ready.layout
        stacks = {tensor.stack for tensor in self.tensors}
        kept = {stack: ready.rows_of(stack, self.decoder_start) for stack in stacks} if ready.keep.pooled else {}
        index = {stack: kept[stack].index if kept else ready.tokens_of(stack, self.decoder_start) for stack in stacks}
        columns = {stack: columns_of(index[stack]) for stack in stacks}
        counts = {stack: len(columns[stack]["example"]) for stack in stacks}
        counts |= {of_stack(stack, PAIRS): layout.pairs_of(stack) for stack in stacks}
        writer = cache.shard(shard, rows=counts, tensors=self.tensors)
        self._open.append(writer)
        self._submit(self._write_index, writer, columns)
        sums = RowSums(kept) if kept else None
        examples = {stack: its["example"] for stack, its in columns.items()}
        tally: dict[str, float] = dict.fromkeys((tensor.name for tensor in self.tensors), 0.0)
        at = dict.fromkeys(tally, 0)
        row = 0
        check = BatchCheck(self.forward_pass, layout.segments, self.limit)
        for cut in batches(layout.lengths, self.limit, padded=check.padded):
            segments = layout.segments[cut]
            rows = self.forward_pass.run(segments) if sums is None else self.forward_pass.run(segments, sums)
            self._submit(self._write, writer, dict(at), rows, tally, _Whose(segments, examples, ready.names))
            for name, block in rows.blocks.items():
                at[name] += len(block)
            check.compare(cut)
            row += sum(segment.stop - segment.start for segment in segments)
            yield row
        self._submit(self._publish, writer, ready, tally, check)

    def drain(self) -> None:
        """Wait until everything is written."""
        while self._pending:
            self._pending.popleft().result()

    def _submit(self, act: Callable[..., None], *values: Any) -> None:
        while len(self._pending) >= LAG or (self._pending and self._pending[0].done()):
            self._pending.popleft().result()
        self._pending.append(self._behind.submit(act, *values))

    def _write_index(self, writer: ShardWriter, columns: Mapping[str, Mapping[str, Any]]) -> None:
        for stack, its in columns.items():
            for name, column in its.items():
                writer.put(of_stack(stack, f"index.{name}"), 0, column)

    def _write(
        self, writer: ShardWriter, at: dict[str, int], rows: BatchRows, tally: dict[str, float], whose: _Whose
    ) -> None:
        for name, block in rows.blocks.items():
            size = rows.largest[name]
            if not math.isfinite(size):
                raise _not_finite(name, block, at[name], whose)
            tally[name] = max(tally[name], size)
            writer.put(name, at[name], as_stored(block))

    def _publish(self, writer: ShardWriter, ready: TokenisedShard, tally: dict[str, float], check: BatchCheck) -> None:
        findings = ready.alignment.to_json()
        lost = sum(ready.layout.truncated.values())
        findings["covered"] -= lost
        findings["truncated"] = lost
        findings["truncated_examples"] = list(ready.layout.truncated)[:NAMED]
        findings["examples_truncated"] = len(ready.layout.truncated)
        findings["layers"] = {
            name: {"largest": size, "nonfinite": 0, "largest_difference": check.differences[name]}
            for name, size in tally.items()
        }
        findings["check"] = check.to_json()
        if ready.keep.pooled:
            findings["tokens_read"] = ready.rows
        writer.publish(findings)
        writer.close()
        self._open.remove(writer)


@dataclass(frozen=True, slots=True)
class _Whose:
    """Tells whose the rows of a batch are: the segments of the batch, the example of each row of a shard by stack."""

    segments: Sequence[Segment]
    examples: Mapping[str, Any]
    names: Mapping[int, str]

    def example(self, name: str, row: int, at: int) -> str:
        """Return the id of the example of a row of a batch whose rows begin at `at`."""
        site = site_of(name)
        if not site.ragged:
            return self.names[int(self.examples[site.stack][at + row])]
        for segment in self.segments:
            row -= (segment.stop - segment.start) ** 2
            if row < 0:
                break
        return segment.name


def _not_finite(name: str, block: Any, at: int, whose: _Whose) -> NumericError:
    """Say in which layer and at which example a number is none."""
    rows = (~block.isfinite()).any(dim=1).nonzero()
    site = site_of(name)
    return NumericError(
        f"{'Place' if site.inside else 'Layer'} {site.place} ({name}) holds NaN or infinity in {len(rows)} of "
        f"{len(block)} {'pairs of tokens' if site.ragged else 'rows'}, first at "
        f"example '{whose.example(name, int(rows[0]), at)}'. In float16 that is an overflow: use bfloat16 (--dtype "
        "bfloat16, --store bfloat16) or float32."
    )
