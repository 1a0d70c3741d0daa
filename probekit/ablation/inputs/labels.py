"""Labels as decisions that words can be erased from: a target of a sentence is read with less and less around it.

Enters: a target of test with its sentence, and what reads it, a probe or the head of a tuned run. Leaves: the words or
phrases that can be erased, and the margin by which the right label is given without some of them. Surprise: words of
the target itself stay, unless the target is the whole sentence, which then is what is left of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.ablation.inputs.erasing import phrases, without
from probekit.ablation.inputs.items import Erasures
from probekit.ablation.labelled import Labelled
from probekit.ablation.probes.pooled import OUTCOMES
from probekit.cache.index import CacheIndex
from probekit.errors import InputError
from probekit.example import Example
from probekit.extraction.opening import tokeniser_for
from probekit.extraction.spec import ExtractionSpec
from probekit.features import TargetTable
from probekit.models.runtime.middle import Middle
from probekit.tuning.data.reading import ReadTokens

HEAD = "head"
"""The annotation that says where each word hangs: 0 of the root, else the number of a word from 1."""


@dataclass(frozen=True, slots=True)
class ErasableLabel:
    """A target, and what can be erased around it.

    Attributes
    ----------
    row : int
        Of the table.
    example : Example
    spans : tuple of (int, int)
        Its words, half-open.
    whole : bool
        The target is the whole sentence.
    label : str
    units : tuple of tuple of int
        Words that are erased together, by their places.
    """

    row: int
    example: Example
    spans: tuple[tuple[int, int], ...]
    whole: bool
    label: str
    units: tuple[tuple[int, ...], ...]

    @property
    def words(self) -> list[str]:
        """The units as text."""
        return [" ".join(self.example.words[place] for place in unit) for unit in self.units]

    @property
    def distances(self) -> list[int]:
        """Words from each unit to the target, by the nearest; of a whole sentence from its end."""
        if self.whole:
            return [unit[-1] - len(self.example.words) for unit in self.units]
        mine = [place for start, stop in self.spans for place in range(start, stop)]
        return [min((place - own for place in unit for own in mine), key=abs) for unit in self.units]

    def left(
        self, gone: Sequence[int], mask: str | None, spans: NDArray[np.integer[Any]]
    ) -> tuple[list[str], NDArray[np.int64]]:
        """Return the words without some units, and where spans of words then are; what is gone is empty."""
        places = {place for unit in gone for place in self.units[unit]}
        words = without(self.example.words, sorted(places), mask)
        if mask is not None:
            return words, spans.astype(np.int64)
        before = np.cumsum([0, *(place not in places for place in range(len(self.example.words)))])
        return words, before[spans]


@dataclass(frozen=True, slots=True)
class ErasedLabel:
    """A label that a probe or a head gives.

    Attributes
    ----------
    target : ErasableLabel
    found : Erasures
    cluster : str
        Document or sentence.
    """

    target: ErasableLabel
    found: Erasures
    cluster: str

    @property
    def distances(self) -> Sequence[int]:
        """Of each unit, to the target."""
        return self.target.distances

    def to_json(self) -> dict[str, Any]:
        """Return plain data: one line of a table."""
        target = self.target
        return {
            "id": target.example.id,
            "text": " ".join(target.example.words),
            "spans": [list(span) for span in target.spans],
            "label": target.label,
            "words": target.words,
            "distances": target.distances,
            **self.found.to_json(target.words),
        }


def erasable_label(labelled: Labelled, row: int, *, by_phrase: bool) -> ErasableLabel | str:
    """Return a target as words or phrases that can be erased around it, or why it cannot be."""
    table = labelled.table
    if labelled.codes[row] < 0:
        return "training never showed their labels"
    example = labelled.examples[int(table.example[row])]
    n, whole = len(example.words), labelled.task.kind == "sentence"
    spans = tuple((int(start), int(stop)) for start, stop in table.spans[row])
    kept = set() if whole else {place for start, stop in spans for place in range(start, stop)}
    units: list[tuple[int, ...]] = [(place,) for place in range(n)]
    if by_phrase:
        heads = example.annotations.get(HEAD)
        if heads is None:
            return "their sentences have no tree"
        units = phrases([head - 1 if head else None for head in heads])
    units = [unit for unit in units if not kept & set(unit)]
    if not units:
        return "nothing beside the target can be erased"
    return ErasableLabel(row, example, spans, whole, labelled.labels[row], tuple(units))


class LabelReader:
    """What reads labels, over sentences from which words are gone.

    Parameters
    ----------
    labelled : Labelled
    mask : str or None
        What stands in the place of an erased word; None: nothing does.
    batch_tokens : int
    """

    def __init__(self, labelled: Labelled, *, mask: str | None, batch_tokens: int) -> None:
        self._labelled, self._mask, self._tokens = labelled, mask, batch_tokens
        loaded = labelled.loaded
        self._encoder = tokeniser_for(loaded, ExtractionSpec()).encoder
        self._middle = Middle(loaded, None, labelled.layers, loaded.stacks[0].name)

    def margins(self, target: ErasableLabel, sets: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Return how much likelier the right label is than any other without each set of units, in nats.

        A head may read the targets of a sentence together: those that are left of the others are laid out too.
        """
        table = self._labelled.table
        beside = np.flatnonzero(table.example == table.example[target.row])  # the target among them
        texts = [target.left(gone, self._mask, table.spans[beside]) for gone in sets]
        encoded = self._encoder.encode_words([words for words, _ in texts])
        sizes = [len(one.ids) for one in encoded]
        index = CacheIndex(
            np.repeat(np.arange(len(texts)), sizes).astype(np.int32),
            np.concatenate([one.word for one in encoded]),
            np.concatenate([one.ids for one in encoded]),
        )
        examples = [Example(str(number), tuple(words)) for number, (words, _) in enumerate(texts)]
        read = ReadTokens(examples, index, tuple(self._encoder.textless), [])
        left = self._labelled.over(read, _table(beside, [spans for _, spans in texts]))
        mine = np.flatnonzero(np.array(left.table.labels, np.int64) == target.row)
        if len(mine) < len(texts):
            raise InputError(
                f"In example '{target.example.id}' no token is left of the target once words around it are erased."
            )
        found = np.zeros(len(texts))
        for each in left.passes(mine, self._tokens):
            values, _ = each.said(self._middle, None)
            right, rival = values.reshape(OUTCOMES, -1)
            found[each.owners[: len(right)] // OUTCOMES] = right - rival
        return found


def _table(rows: NDArray[np.int64], spans: Sequence[NDArray[np.int64]]) -> TargetTable:
    """Return the targets that are left in each text, labelled with their rows; spans [targets, s, 2] a text."""
    n, every = len(spans), np.stack(spans)  # [texts, targets, s, 2]
    text, target = np.nonzero((every[..., 0] < every[..., 1]).all(2))
    names = [str(number) for number in range(n)]
    return TargetTable(
        example=text, spans=every[text, target], labels=rows[target].tolist(), keys=[None] * len(text),
        split=np.zeros(len(text), np.int8), group=[None] * n, ids=names, forms=[""] * len(text),
        without_token=Counter(), passed_over=np.zeros(len(text), bool),
    )  # fmt: skip
