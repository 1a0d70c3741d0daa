"""The targets of a task with the tokens of their examples, ready to be trained on.

Enters: a corpus and a task, and what says which tokens there are: a live model, or a cache. Leaves: a frozen
:class:`TuningData`. Surprise: both roads end in one :class:`~probekit.cache.index.CacheIndex`, so that training from a
cache and training from text lay out the same targets over the same tokens.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.cache.index import CacheIndex
from probekit.cache.reader import ActivationCache
from probekit.corpus import Corpus, repeated_ordinals
from probekit.errors import InputError, UsageError
from probekit.example import Example
from probekit.extraction.spec import ExtractionSpec
from probekit.features import Label, TargetTable, keep_top
from probekit.features.labels import check_parts, code_labels, label_notes, named, numbers_of
from probekit.features.places import collect_placed
from probekit.features.pooling import Pooler, token_ranges
from probekit.statistics.units import whole_units
from probekit.storage.strict import canonical
from probekit.tasks import ProbeTask
from probekit.tasks.positions import AskedPosition, place_of
from probekit.tuning.data.reading import USUAL, ReadTokens, read_cache, read_model

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel
    from probekit.tuning.data.hiding import Hiding

IntArray = NDArray[np.int64]
TARGETS = ("labels", "numbers")


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningData:
    """A task over a corpus, laid out over tokens.

    Attributes
    ----------
    task : ProbeTask
    corpus : str
        Its name.
    table : TargetTable
        Every target with a token, sorted by split and example.
    targets : {"labels", "numbers", "text"}
        What is predicted.
    classes : tuple of str
        By code; empty for numbers and text.
    labels : list of str
        Of every row; empty for numbers and text.
    gold : int32 or float64 array [n]
        Codes (-1: a label that training never showed), or numbers; of text the ids of the tokens to predict.
    originals : sequence of Example
        Every example as the corpus has it.
    index : CacheIndex
        Example, word and token of every row of tokens.
    first, sizes : int64 array [examples]
        First token row and tokens of every example, special ones included.
    spans : int64 array [n, s, 2]
        Half-open token ranges of each target in its example.
    held : int64 array [examples, 2]
        Half-open range of the table's rows that lie in each example.
    textless : tuple of int
        Ids of tokens that spell spaces and nothing else.
    training : int64 array
        Ordinals of the training examples that are trained on.
    notes : list of str
    rare : tuple of str
        Labels that training showed and that are too rare for the task: their targets are left out.
    edges : tuple of float
        Inner edges of the bins that are the classes of a task about numbers.
    hiding : Hiding or None
        Of a text that a masked model fills in: what is hidden of it.
    vocabulary : int
        Of a text: tokens that there are.
    at : str or None
        The position at which every example is read; None: at its targets.
    reading : ExtractionSpec
        How the texts became tokens, as :class:`~probekit.tuning.data.reading.ReadTokens` has it.
    """

    task: ProbeTask
    corpus: str
    table: TargetTable
    targets: str
    classes: tuple[str, ...]
    labels: list[str]
    gold: NDArray[Any]
    originals: Sequence[Example]
    index: CacheIndex
    first: IntArray
    sizes: IntArray
    spans: IntArray
    held: IntArray
    textless: tuple[int, ...]
    training: IntArray
    notes: list[str]
    rare: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()
    hiding: Hiding | None = None
    vocabulary: int = 0
    at: str | None = None
    reading: ExtractionSpec = USUAL

    @property
    def digest(self) -> str:
        """The sha256 of what is learned from and scored: tokens, targets, what is true of them, splits; not kept."""
        table, whole = self.table, hashlib.sha256()
        for array in (self.index.example, self.index.word, self.index.token, self.spans, self.held, self.training):
            whole.update(np.ascontiguousarray(array, "<i8").data)
        whole.update(np.ascontiguousarray(table.split, "<i8").data)
        whole.update(canonical([list(table.ids), list(self.classes), self.labels]))
        whole.update(np.ascontiguousarray(self.gold, "<f8").data)
        return whole.hexdigest()

    @property
    def words(self) -> list[Sequence[str]]:
        """The words of every example."""
        return [example.words for example in self.originals]

    @property
    def centre(self) -> float:
        """Mean of the numbers that are trained on; heads predict numbers of mean 0."""
        return float(self._trained_on.mean())

    @property
    def spread(self) -> float:
        """Their standard deviation; 1 where they are all equal."""
        return float(self._trained_on.std()) or 1.0

    @property
    def _trained_on(self) -> NDArray[Any]:
        return np.concatenate([self.gold[low:high] for low, high in self.held[self.training]])

    @property
    def outputs(self) -> int:
        """Numbers that a head gives a target."""
        return len(self.classes) or 1

    @property
    def counted(self) -> str:
        """What scores are over: the kind of the targets; of text its tokens."""
        return "token" if self.targets == "text" else self.task.kind

    def examples(self, split: str) -> IntArray:
        """Return the examples of a split that hold a target; of ``train`` those that are trained on."""
        return self.training if split == "train" else ordinals(self.table, split)

    def limited(self, n: int | None, seed: int) -> TuningData:
        """Train on ``n`` examples only, drawn by a seed; dev and test stay whole."""
        if n is None or n >= len(self.training):
            return self
        if n < 1:
            raise UsageError(f"The `examples` option must be a whole number from 1. Got {n}.")
        kept = whole_units(self.training, n, np.random.default_rng([seed, n]))
        training = self.training[kept]
        shown = {code for low, high in self.held[training] for code in np.asarray(self.gold[low:high]).tolist()}
        if self.targets == "labels" and len(shown) < 2:
            raise InputError(f"{n} training examples drawn with seed {seed} show one label only. Draw more.")
        note = f"Trained on {len(training):,} of {len(self.training):,} training examples, drawn with seed {seed}."
        return replace(self, training=training, notes=[*self.notes, note])


def from_model(
    loaded: LoadedModel,
    corpus: Corpus,
    task: ProbeTask,
    *,
    targets: str = "labels",
    spec: ExtractionSpec | None = None,
    at: str | None = None,
) -> TuningData:
    """Lay out the targets of a corpus over the tokens of a live model.

    Parameters
    ----------
    loaded : LoadedModel
    corpus : Corpus
    task : ProbeTask
    targets : {"labels", "numbers"}
    spec : ExtractionSpec, optional
        How text is read: ``input``, ``template``, ``max_length``, ``overflow``.
    at : str, optional
        The position at which examples are read; see :mod:`probekit.tasks.positions`.

    Raises
    ------
    InputError
        An example is longer than the model reads, the corpus lacks an annotation, there is nothing to learn or score.
    """
    return _lay_out(corpus, task, targets, read_model(loaded, corpus, spec or USUAL), at)


def from_cache(
    cache: ActivationCache, corpus: Corpus, task: ProbeTask, *, targets: str = "labels", at: str | None = None
) -> TuningData:
    """Lay out the targets of a corpus over the tokens of a cache that was made of it; see :func:`from_model`.

    Raises
    ------
    CacheError
        The corpus was edited after extraction.
    UsageError
        The cache was made with overlapping windows, or of a model with two stacks.
    """
    return _lay_out(corpus, task, targets, read_cache(cache, corpus), at)


def _lay_out(corpus: Corpus, task: ProbeTask, targets: str, read: ReadTokens, at: str | None) -> TuningData:
    examples, index, textless, notes = read.examples, read.index, read.textless, read.notes
    if targets not in TARGETS:
        raise UsageError(f"The `targets` option must be one of {', '.join(TARGETS)}. Got '{targets}'.")
    if task.kind == "tree":
        raise UsageError(f"'{task.name}' asks for trees, which no head predicts. Tune on deprel or another task.")
    notes += repeat_notes(examples)
    everything, said = collect_placed(task, placed(at), examples, where=f"the corpus '{corpus.name}'")
    notes += said
    left_out = Counter[Label]()
    if targets == "labels":  # no number is too rare
        everything, left_out = keep_top(task, everything)
    table = Pooler(index, everything).table
    if lost := table.without_token:
        notes.append(f"{lost.total():,} targets are left out: no token covers {named(lost)}.")
    if left_out:
        notes.append(rare_note(left_out))
    check_parts(task, table, least=1 if targets == "labels" else 2)
    classes: tuple[str, ...] = ()
    labels: list[str] = []
    edges: tuple[float, ...] = ()
    gold: NDArray[Any]
    if targets == "labels":
        coded = code_labels(task, table)
        classes, labels, gold, edges = tuple(coded.classes), coded.labels, coded.codes, coded.edges
        notes += label_notes(coded)
    else:
        gold = numbers_of(task, table)
    return TuningData(
        task=task,
        corpus=corpus.name,
        table=table,
        targets=targets,
        classes=classes,
        labels=labels,
        gold=gold,
        originals=examples,
        index=index,
        textless=textless,
        training=ordinals(table, "train"),
        notes=notes,
        rare=tuple(sorted(map(str, left_out))),
        edges=edges,
        at=at,
        reading=read.how,
        **places(index, table, len(examples)),
    )


def placed(at: str | None) -> AskedPosition | None:
    """Read the name of a position."""
    return None if at is None else place_of(at)


def repeat_notes(examples: Sequence[Example]) -> list[str]:
    """Say how many examples of dev and test training has too; nothing if there are none."""
    repeated = repeated_ordinals(examples)
    return [f"{len(repeated):,} dev or test examples repeat a training example."] if repeated else []


def rare_note(left_out: Counter[Label]) -> str:
    """Say which targets are left out, since their labels are too rare for the task."""
    return f"{left_out.total():,} targets are left out: their labels are too rare: {named(left_out)}."


def places(index: CacheIndex, table: TargetTable, n: int) -> dict[str, Any]:
    """Return where examples and targets lie among the tokens: ``first``, ``sizes``, ``spans``, ``held``."""
    first, sizes = example_ranges(index, n)
    low, high = token_ranges(index, table)
    spans = np.stack([low, high], axis=2) - first[table.example][:, None, None]
    return {"first": first, "sizes": sizes, "spans": spans, "held": held_by(table.example, n)}


def held_by(example: NDArray[np.integer[Any]], n: int) -> IntArray:
    """Return the half-open range of rows that lie in each of n examples; all rows of one stand together."""
    held = np.zeros((n, 2), np.int64)
    starts = np.flatnonzero(np.diff(example, prepend=-1))
    held[example[starts], 0] = starts
    held[example[starts], 1] = np.append(starts[1:], len(example))
    return held


def example_ranges(index: CacheIndex, n: int) -> tuple[IntArray, IntArray]:
    """Return the first row and the rows of every example; all rows of one stand together."""
    rows = held_by(index.example, n)
    return rows[:, 0], rows[:, 1] - rows[:, 0]


def ordinals(table: TargetTable, split: str) -> IntArray:
    """Return the examples of a split that hold a target."""
    return np.unique(table.example[table.part(split)])
