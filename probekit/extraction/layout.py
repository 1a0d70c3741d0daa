"""From encoded examples to the rows of a shard and the batches that fill them.

Enters: the encoded examples of one shard. Leaves: a :class:`ShardLayout`, which fixes every row before
the model runs. Examples lie in order of decreasing token count, all rows of one together, so a
batch is one contiguous range of rows and row order does not depend on batching. Surprise: under
``overflow="window"`` one example is several segments, and each token's row comes from the segment in
which it stands farthest from an edge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from probekit.errors import InputError
from probekit.models.tokens.align import Encoded
from probekit.sites import DECODER

IntArray = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Segment:
    """What one row of a batch reads, and which of its tokens are kept.

    Attributes
    ----------
    encoded : Encoded
        The ids the model reads, at most the model's limit.
    start, stop : int
        The kept tokens, half open.
    name : str
        The example's id.
    """

    encoded: Encoded
    start: int
    stop: int
    name: str = ""


@dataclass(slots=True)
class ShardLayout:
    """The rows of one shard, decided before the model runs."""

    segments: list[Segment]
    example: IntArray
    word: IntArray
    token: IntArray
    sizes: list[int]
    truncated: Counter[str] = field(default_factory=Counter)

    @property
    def rows(self) -> int:
        """Rows of the shard."""
        return len(self.token)

    def shifted(self, start_token: int) -> tuple[IntArray, IntArray]:
        """Return the word and token columns of a decoder, which reads the same tokens one place later.

        Row t speaks of the token read at position t; the first row of each example is the start
        token (word -1). A closing token is never read; without one, each example has a row more.
        """
        starts = np.cumsum([0, *self.sizes[:-1]])
        if not self.closed:
            return np.insert(self.word, starts, -1), np.insert(self.token, starts, start_token)
        word, token = np.roll(self.word, 1), np.roll(self.token, 1)
        word[starts], token[starts] = -1, start_token
        return word, token

    @property
    def closed(self) -> bool:
        """Whether the tokenizer ends a text with a token of its own."""
        return all(segment.encoded.suffix for segment in self.segments)

    def examples_of(self, stack: str) -> IntArray:
        """Return the example column of a stack."""
        if stack != DECODER or self.closed:
            return self.example
        starts = np.cumsum([0, *self.sizes[:-1]])
        return np.insert(self.example, starts, self.example[starts])

    def pairs_of(self, stack: str) -> int:
        """Return how many pairs of tokens of one example a stack has."""
        longer = int(stack == DECODER and not self.closed)
        return sum((size + longer) ** 2 for size in self.sizes)

    @property
    def lengths(self) -> list[int]:
        """Tokens the model reads for each segment, special ones included."""
        return [len(segment.encoded.ids) for segment in self.segments]


def lay_out_shard(
    encoded: Sequence[Encoded], ids: Sequence[str], first: int, *, limit: int | None, overflow: str
) -> ShardLayout:
    """Fix the rows of a shard.

    Parameters
    ----------
    encoded : sequence of Encoded
        One an example, in corpus order.
    ids : sequence of str
        The examples' ids, for messages.
    first : int
        Ordinal of the first example in the corpus.
    limit : int or None
        Tokens the model can read at once, special ones included.
    overflow : {"error", "truncate", "window"}

    Returns
    -------
    ShardLayout

    Raises
    ------
    InputError
        An example is over the limit and the policy is ``error``; or it is cut, and no token is left.
    """
    fitted: list[tuple[int, Encoded]] = []
    truncated: Counter[str] = Counter()
    for offset, item in enumerate(encoded):
        if limit is not None and len(item.ids) > limit:
            if overflow == "error":
                raise InputError(
                    f"Example '{ids[offset]}' has {len(item.ids)} tokens; the model reads at most {limit}. "
                    "Choose --overflow window (overlapping windows) or --overflow truncate (words are "
                    "lost, and counted)."
                )
            if overflow == "truncate":
                item, lost = _truncate(item, limit)
                if not len(item.ids):
                    raise InputError(
                        f"Nothing is left of example '{ids[offset]}' where it is cut: its first word alone has more "
                        f"than {limit} tokens. Give a greater --max-length, choose --overflow window, or leave it out."
                    )
                truncated[ids[offset]] += lost
        fitted.append((first + offset, item))
    fitted.sort(key=lambda pair: -len(pair[1].ids))
    segments = [segment for ordinal, item in fitted for segment in _segments(item, limit, ids[ordinal - first])]
    sizes = [len(item.ids) for _, item in fitted]
    return ShardLayout(
        segments=segments,
        example=np.repeat(np.array([ordinal for ordinal, _ in fitted], np.int32), sizes),
        word=np.concatenate([item.word for _, item in fitted]).astype(np.int32),
        token=np.concatenate([item.ids for _, item in fitted]).astype(np.int32),
        sizes=sizes,
        truncated=truncated,
    )


def kept_rows(segments: Sequence[Segment], width: int, *, shift: bool = False) -> NDArray[np.int64] | None:
    """Return where the kept tokens lie in the flattened [segments x width] batch; None when all do.

    ``shift`` speaks of a decoder, where the token that the encoder reads at t stands at t + 1.
    """
    starts = np.array([segment.start for segment in segments], np.int64)
    stops = np.array([segment.stop for segment in segments], np.int64)
    if shift:
        lengths = np.array([len(segment.encoded.ids) for segment in segments], np.int64)
        starts = np.where(starts == 0, 0, starts + 1)
        closed = all(segment.encoded.suffix for segment in segments)
        stops = np.where((stops == lengths) & closed, lengths, stops + 1)
    if not starts.any() and (stops == width).all():
        return None
    base = np.arange(len(segments), dtype=np.int64) * width + starts
    counts = stops - starts
    within = np.arange(counts.sum(), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(base, counts) + within


def kept_pairs(segments: Sequence[Segment], width: int, *, shift: bool = False) -> NDArray[np.int64] | None:
    """Return where the pairs of tokens of one segment lie in the flattened [segments x width x width] batch.

    None when all do. ``shift`` speaks of a decoder; see :func:`kept_rows`.
    """
    longer = int(shift and not all(segment.encoded.suffix for segment in segments))
    lengths = np.array([len(segment.encoded.ids) + longer for segment in segments], np.int64)
    if (lengths == width).all():
        return None
    real = np.arange(width) < lengths[:, None]
    return np.flatnonzero(real[:, :, None] & real[:, None, :])


def _truncate(item: Encoded, limit: int) -> tuple[Encoded, int]:
    """Drop the last words: a word that loses one token loses all of them, for half a word is no word."""
    suffix = len(item.ids) - item.suffix
    keep = limit - item.suffix
    cut_words = set(item.word[keep:suffix].tolist()) - {-1}
    while keep > item.prefix and int(item.word[keep - 1]) in cut_words:
        keep -= 1
    chosen = np.concatenate([np.arange(keep), np.arange(suffix, len(item.ids))])
    return _take(item, chosen), len(cut_words)


def _segments(item: Encoded, limit: int | None, name: str) -> list[Segment]:
    total = len(item.ids)
    if limit is None or total <= limit:
        return [Segment(item, 0, total, name)]
    room = limit - item.prefix - item.suffix
    inner = total - item.prefix - item.suffix
    stride = max(1, room // 2)
    starts = list(range(0, max(1, inner - room), stride))
    starts.append(inner - room)
    # A token is taken from the window in which it is farthest from an edge: cut in the middle of overlaps.
    cuts = [0, *((a + room + b) // 2 for a, b in pairwise(starts)), inner]
    segments = []
    for number, start in enumerate(starts):
        inside = np.arange(item.prefix + start, item.prefix + start + room)
        chosen = np.concatenate([np.arange(item.prefix), inside, np.arange(total - item.suffix, total)])
        low = item.prefix + cuts[number] - start
        high = item.prefix + cuts[number + 1] - start
        first, last = number == 0, number == len(starts) - 1
        segments.append(Segment(_take(item, chosen), 0 if first else low, limit if last else high, name))
    return segments


def _take(item: Encoded, chosen: NDArray[np.int64]) -> Encoded:
    return replace(item, ids=item.ids[chosen], word=item.word[chosen])
