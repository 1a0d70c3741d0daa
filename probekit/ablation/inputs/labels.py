"""Labels as decisions that words can be erased from: a probe reads a target of a sentence with less and less around it.

Enters: a target of test with its sentence, and a probe. Leaves: the words or phrases that can be erased, and the margin
by which the probe gives the right label without some of them. Surprise: words of the target itself stay, unless the
target is the whole sentence, which then is what is left of it.
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
from probekit.ablation.probes.fitting import Probed
from probekit.ablation.probes.pooled import OUTCOMES, ProbePass, vector_passes
from probekit.cache.reader import CacheIndex
from probekit.errors import InputError
from probekit.example import Example
from probekit.extraction.run import tokeniser_for
from probekit.extraction.spec import ExtractionSpec
from probekit.features import Pooler, TargetTable
from probekit.models.runtime.middle import Middle
from probekit.models.sources.load import LoadedModel

HEAD = "head"
"""The annotation that says where each word hangs: 0 of the root, else the number of a word from 1."""


@dataclass(frozen=True, slots=True)
class ErasableLabel:
    """A target, and what can be erased around it.

    Attributes
    ----------
    example : Example
    spans : tuple of (int, int)
        Its words, half-open.
    whole : bool
        The target is the whole sentence.
    label : str
    code : int
    units : tuple of tuple of int
        Words that are erased together, by their places.
    """

    example: Example
    spans: tuple[tuple[int, int], ...]
    whole: bool
    label: str
    code: int
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

    def left(self, gone: Sequence[int], mask: str | None) -> tuple[list[str], list[tuple[int, int]]]:
        """Return the words without some units, and where the target then is."""
        places = {place for unit in gone for place in self.units[unit]}
        words = without(self.example.words, sorted(places), mask)
        if mask is not None:
            return words, list(self.spans)
        before = np.cumsum([0, *(place not in places for place in range(len(self.example.words)))])
        return words, [(int(before[start]), int(before[stop])) for start, stop in self.spans]


@dataclass(frozen=True, slots=True)
class ErasedLabel:
    """A label that a probe gives.

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


def erasable_label(probed: Probed, row: int, *, by_phrase: bool) -> ErasableLabel | str:
    """Return a target as words or phrases that can be erased around it, or why it cannot be."""
    table, coded = probed.pooler.table, probed.coded
    if coded.codes[row] < 0:
        return "training never showed their labels"
    example = probed.examples[int(table.example[row])]
    n, whole = len(example.words), probed.task.kind == "sentence"
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
    return ErasableLabel(example, spans, whole, coded.labels[row], int(coded.codes[row]), tuple(units))


class LabelReader:
    """A probe that reads sentences from which words are gone.

    Parameters
    ----------
    loaded : LoadedModel
    probed : Probed
    mask : str or None
        What stands in the place of an erased word; None: nothing does.
    batch_tokens : int
    """

    def __init__(self, loaded: LoadedModel, probed: Probed, *, mask: str | None, batch_tokens: int) -> None:
        self._loaded, self._probed, self._mask, self._tokens = loaded, probed, mask, batch_tokens
        self._encoder = tokeniser_for(loaded, ExtractionSpec()).encoder
        self._middle = Middle(loaded, None, [probed.probe.layer], loaded.stacks[0].name)

    def margins(self, target: ErasableLabel, sets: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Return how much likelier the right label is than any other without each set of units, in nats."""
        texts = [target.left(gone, self._mask) for gone in sets]
        encoded = self._encoder.encode_words([words for words, _ in texts])
        sizes = [len(one.ids) for one in encoded]
        index = CacheIndex(
            np.repeat(np.arange(len(texts)), sizes).astype(np.int32),
            np.concatenate([one.word for one in encoded]),
            np.concatenate([one.ids for one in encoded]),
        )
        pooler, probe = self._probed.pooler, self._probed.probe
        table = _table(np.array([spans for _, spans in texts], np.int64))
        mine = Pooler(index, table, pool=pooler.pool, pair=pooler.pair, textless=self._encoder.textless)
        if len(mine.table) < len(texts):
            raise InputError(
                f"In example '{target.example.id}' no token is left of the target once words around it are erased."
            )
        found = np.zeros(len(texts))
        passes = vector_passes(
            index, mine, np.arange(len(texts)), probe.layer, pad_id=self._loaded.pad_id, batch_tokens=self._tokens
        )
        for each in passes:
            gold = np.full(len(each.rows), target.code, np.int64)
            values, _ = ProbePass(each, probe, gold, np.arange(OUTCOMES * len(gold))).said(self._middle, None)
            found[each.rows] = values[: len(gold)] - values[len(gold) :]
        return found


def _table(spans: NDArray[np.int64]) -> TargetTable:
    """Return one target a text; spans [texts, s, 2]."""
    n = len(spans)
    names = [str(number) for number in range(n)]
    return TargetTable(
        example=np.arange(n), spans=spans, labels=list(names), keys=[None] * n, split=np.zeros(n, np.int8),
        group=[None] * n, ids=names, forms=names, without_token=Counter(), passed_over=np.zeros(n, bool),
    )  # fmt: skip
