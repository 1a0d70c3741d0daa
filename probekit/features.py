"""From a cache, a task and a layer to ``X, y, keys``.

Enters: an :class:`~probekit.cache.reader.ActivationCache`, the examples with their annotations, a
:class:`~probekit.tasks.ProbeTask`. Leaves: a :class:`TargetTable` (made once) and, for each layer,
a float32 matrix with one row a target. Surprise: rows of the table are sorted train, dev, test, so
that each part of ``X`` is a slice and no copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from probekit.cache.reader import CacheIndex, LayerView
from probekit.corpus.example import SPLITS, Example
from probekit.errors import CacheError, InputError, UsageError, did_you_mean
from probekit.tasks import Draft, ProbeTask, check_needs, check_target

POOLS = ("mean", "first", "last", "endpoints")
PAIRS = ("concat", "product", "difference")

Label = str | int | float


@dataclass(frozen=True, slots=True)
class TargetTable:
    """Every target of a task over a corpus, sorted by split, corpus order inside.

    Attributes
    ----------
    example : int64 array [n]
        Ordinal of the example.
    spans : int64 array [n, s, 2]
        Half-open word ranges; s is 2 for pairs, else 1.
    labels : list
    keys : list
        What feeds the control task; None where there is none.
    split : int8 array [n]
        Index into :data:`~probekit.corpus.example.SPLITS`.
    group : list of str
        Document of each example, by ordinal; the example's id where there is none.
    ids : list of str
        Id of each example, by ordinal.
    forms : list of str
        The words of the first span, for error analysis and the word-type floor.
    without_token : Counter
        Words that no token covers, by form: their targets are left out.
    passed_over : bool array [n]
        Words of a tree that scores do not look at.
    """

    example: NDArray[np.int64]
    spans: NDArray[np.int64]
    labels: list[Label]
    keys: list[Any]
    split: NDArray[np.int8]
    group: list[str | None]
    ids: list[str]
    forms: list[str]
    without_token: Counter[str]
    passed_over: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, split: str) -> slice:
        """Return the rows of one split."""
        code = SPLITS.index(split)
        return slice(int(np.searchsorted(self.split, code, "left")), int(np.searchsorted(self.split, code, "right")))

    def take(self, rows: NDArray[np.int64]) -> TargetTable:
        """Keep some rows, in the given (ascending) order."""
        return TargetTable(
            self.example[rows],
            self.spans[rows],
            [self.labels[row] for row in rows],
            [self.keys[row] for row in rows],
            self.split[rows],
            self.group,
            self.ids,
            [self.forms[row] for row in rows],
            self.without_token,
            self.passed_over[rows],
        )


def matched(stored: Iterable[Example], source: Iterable[Example], where: str) -> Iterator[Example]:
    """Yield the source's examples, each checked to have the words that the cache was made from.

    Raises
    ------
    CacheError
        The corpus was edited after extraction; the first differing example is named.
    """
    again = iter(source)
    for kept in stored:
        example = next(again, None)
        if example is None:
            raise CacheError(f"{where} ends before example '{kept.id}', which the cache holds. {_REMEDY}")
        if example.id != kept.id or example.words != kept.words:
            place = next(
                (i for i, (a, b) in enumerate(zip(kept.words, example.words, strict=False)) if a != b),
                min(len(kept.words), len(example.words)),
            )
            renamed = "" if example.id == kept.id else f" (now '{example.id}')"
            raise CacheError(
                f"{where} changed after extraction: example '{kept.id}'{renamed} differs from the cache at word "
                f"{place + 1}: cached {_word(kept.words, place)}, now {_word(example.words, place)}. {_REMEDY}"
            )
        if (example.split, example.group) != (kept.split, kept.group):
            raise CacheError(
                f"{where} changed after extraction: example '{kept.id}' was in split '{kept.split}' of document "
                f"'{kept.group}', now in '{example.split}' of '{example.group}'. {_REMEDY}"
            )
        yield example
    if (extra := next(again, None)) is not None:
        raise CacheError(f"{where} now goes on after the cache's last example with '{extra.id}'. {_REMEDY}")


_REMEDY = "Vectors and labels would not belong together: run `probekit extract` on the corpus as it is now."


def _word(words: tuple[str, ...], place: int) -> str:
    return repr(words[place]) if place < len(words) else "nothing"


def collect(task: ProbeTask, examples: Iterable[Example], *, where: str) -> TargetTable:
    """Ask the task its question of every example.

    Raises
    ------
    InputError
        The corpus lacks an annotation the task needs, or no target is left.
    """
    drafts: list[Draft] = []
    group: list[str | None] = []
    ids: list[str] = []
    seen: set[str] = set()
    for ordinal, example in enumerate(examples):
        group.append(example.group)
        ids.append(example.id)
        seen.update(example.annotations, example.spans)
        if not all(name in example.annotations or name in example.spans for name in task.needs):
            continue
        for target in task.targets(example):
            check_target(task, target, example)
            start, stop = target.spans[0]
            drafts.append(Draft(example.split or "train", ordinal, target, " ".join(example.words[start:stop])))
    check_needs(task, dict.fromkeys(seen), where)
    if task.settle is not None:
        drafts = list(task.settle(drafts))
    if not drafts:
        raise InputError(f"The task '{task.name}' finds no target in {where}. Choose another task or corpus.")
    codes = {split: code for code, split in enumerate(SPLITS)}
    drafts.sort(key=lambda draft: (codes[draft.split], draft.example))
    width = len(drafts[0].target.spans)
    if any(len(draft.target.spans) != width for draft in drafts):
        raise InputError(f"The task '{task.name}' mixes targets of one span and of two. Correct the task file.")
    return TargetTable(
        example=np.array([draft.example for draft in drafts], np.int64),
        spans=np.array([draft.target.spans for draft in drafts], np.int64).reshape(len(drafts), width, 2),
        labels=[draft.target.label for draft in drafts],
        keys=[draft.target.key for draft in drafts],
        split=np.array([codes[draft.split] for draft in drafts], np.int8),
        group=group,
        ids=ids,
        forms=[draft.form for draft in drafts],
        without_token=Counter(),
        passed_over=np.array([draft.target.passed_over for draft in drafts]),
    )


class Pooler:
    """Turns token rows into one vector a target; made once, used for every layer.

    Parameters
    ----------
    index : CacheIndex
        Example and word of every row of the cache.
    table : TargetTable
    pool : {"mean", "first", "last", "endpoints"}
        How the tokens of a span become one vector. The mean is over the span's tokens; endpoints are the first
        token's vector and the last one's, one behind the other [1]_.
    pair : {"concat", "product", "difference"}
        How the vectors of the two spans of a pair become one, number by number.

    Notes
    -----
    ``table`` (the attribute) is the given one without the targets that no token covers; their
    words are counted in ``table.without_token``.

    References
    ----------
    .. [1] Lee et al. 2017, End-to-end neural coreference resolution.
    """

    def __init__(self, index: CacheIndex, table: TargetTable, *, pool: str = "mean", pair: str = "concat") -> None:
        for option, value, known in (("pool", pool, POOLS), ("pair", pair, PAIRS)):
            if value not in known:
                hint = did_you_mean(value, known)
                raise UsageError(f"The `{option}` option must be one of {', '.join(known)}. Got '{value}'.{hint}")
        if pair != "concat" and table.spans.shape[1] != 2:
            raise UsageError(f"The `pair` option says '{pair}', and the targets are no pairs. Leave it out.")
        first, stop = _token_ranges(index, table)
        whole = np.asarray((stop > first).all(axis=1))
        self.table = _without(table, whole)
        first, stop = first[whole], stop[whole]
        if pool == "first":
            stop = first + 1
        elif pool == "last":
            first = stop - 1
        self._ranges = []
        for k in range(first.shape[1]):
            if pool == "endpoints":
                self._ranges += [(first[:, k], first[:, k] + 1), (stop[:, k] - 1, stop[:, k])]
            else:
                self._ranges.append((first[:, k], stop[:, k]))
        self._pair = pair
        self.width = len(self._ranges)
        """Vectors of the layer that are in memory for one target."""

    def matrix(self, view: LayerView) -> NDArray[np.float32]:
        """Return X, float32 [n, d]; d is the layer's width times the vectors of a target."""
        n, d = len(self.table), view.shape[1]
        X = np.zeros((n, self.width * d), np.float32)
        low = 0
        for block in view.float_blocks():
            high = low + len(block)
            for k, (first, stop) in enumerate(self._ranges):
                chosen = np.flatnonzero((first >= low) & (first < high))
                if len(chosen):
                    X[chosen, k * d : (k + 1) * d] = _means(block, first[chosen] - low, stop[chosen] - low)
            low = high
        if self._pair == "concat":
            return X
        half = X.shape[1] // 2
        return X[:, :half] * X[:, half:] if self._pair == "product" else X[:, :half] - X[:, half:]


def _means(block: NDArray[np.float32], first: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.float32]:
    counts = stop - first
    if (counts == 1).all():
        return block[first]
    pointers = np.concatenate([[0], np.cumsum(counts)])
    columns = np.arange(pointers[-1]) - np.repeat(pointers[:-1] - first, counts)
    weights = np.repeat((1.0 / counts).astype(np.float32), counts)
    return np.asarray(sparse.csr_matrix((weights, columns, pointers), shape=(len(first), len(block))) @ block)


def _token_ranges(index: CacheIndex, table: TargetTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row and the row behind the last of every span, [n, s]; equal where no token covers it.

    Rows of one example stand together and its words ascend, so a span is one range of rows.
    """
    inside = np.flatnonzero(index.word >= 0)
    # (example, word) as one sortable number; the cache orders examples by length, so sort once.
    shift = np.int64(1) << 32
    place = index.example[inside].astype(np.int64) * shift + index.word[inside]
    order = np.argsort(place, kind="stable")
    place, rows = place[order], inside[order]
    example = table.example[:, None] * shift
    low = np.searchsorted(place, example + table.spans[:, :, 0], "left")
    high = np.searchsorted(place, example + table.spans[:, :, 1], "left")
    empty = high <= low
    first = rows[np.minimum(low, len(rows) - 1)]
    stop = rows[np.maximum(high, 1) - 1] + 1
    return np.where(empty, 0, first), np.where(empty, 0, stop)


def _without(table: TargetTable, whole: NDArray[np.bool_]) -> TargetTable:
    if whole.all():
        return table
    table.without_token.update(table.forms[row] for row in np.flatnonzero(~whole))
    return table.take(np.flatnonzero(whole))


def number_bins(values: NDArray[np.float64], train: slice, bins: int) -> tuple[list[str], NDArray[np.float64]]:
    """Cut numbers into bins at quantiles of the training rows.

    Returns
    -------
    labels : list of str
        ``"[3, 5)"`` and the like, one a value.
    edges : float64 array
        Inner edges, strictly ascending; fewer than ``bins - 1`` where values repeat.
    """
    edges = np.unique(np.quantile(values[train], np.linspace(0, 1, bins + 1)[1:-1], method="higher"))
    edges = edges[edges > values[train].min()]
    codes = np.searchsorted(edges, values, "right")
    names = [_bin_name(edges, code) for code in range(len(edges) + 1)]
    return [names[code] for code in codes], edges


def _bin_name(edges: NDArray[np.float64], code: int) -> str:
    low = f"{edges[code - 1]:g}" if code else ""
    high = f"{edges[code]:g}" if code < len(edges) else ""
    return f"<{high}" if not low else (f">={low}" if not high else f"{low}..<{high}")
