"""A tuned run, opened to be measured: its model with its head, and its task over a corpus.

Enters: the folder of a run, a corpus. Leaves: :class:`TunedLabels`. Surprise: what is dev and test is the corpus's own
word. Whether those are the rows that the run was tuned on is looked up and said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit import plain
from probekit.ablation.passes import Longs
from probekit.ablation.probes.fitting import ProbeSpec
from probekit.ablation.tuned.passes import HeadPass, head_passes
from probekit.behaviour.scoring.making import ScoringSpec
from probekit.corpus import Corpus, annotated, open_corpus
from probekit.devices import choose_device
from probekit.errors import InputError, UsageError
from probekit.example import Example
from probekit.features import Pooler, TargetTable
from probekit.features.labels import UNSEEN, unseen_notes
from probekit.models.sources.find import ModelSource
from probekit.models.sources.load import LoadedModel
from probekit.models.sources.weights import state_digest
from probekit.tasks import ProbeTask
from probekit.tuning.data.data import TuningData, places
from probekit.tuning.data.reading import ReadTokens
from probekit.tuning.network.feed import Feed
from probekit.tuning.predict import TunedModel

OF_A_CORPUS = ("corpus", "annotations", "probes")
"""What of a :class:`~probekit.ablation.probes.fitting.ProbeSpec` is no probe's: a run has the rest itself."""


@dataclass(frozen=True)
class TunedLabels:
    """A run, and the labels that its head gives over a corpus.

    Attributes
    ----------
    tuned : TunedModel
    data : TuningData
        Laid out over the corpus.
    examples : sequence of Example
    notes : list of str
    """

    tuned: TunedModel
    data: TuningData
    examples: Sequence[Example]
    notes: list[str]

    @cached_property
    def feed(self) -> Feed:
        """What lays out batches."""
        return Feed(self.tuned.network, self.data)

    @property
    def task(self) -> ProbeTask:
        """The task of the run."""
        return self.tuned.task

    @property
    def corpus(self) -> str:
        """Name of the corpus."""
        return self.data.corpus

    @property
    def table(self) -> TargetTable:
        """The targets."""
        return self.data.table

    @property
    def codes(self) -> NDArray[np.int32]:
        """The code of the label of each target; -1: the run's training never showed it."""
        return np.asarray(self.data.gold, np.int32)

    @property
    def labels(self) -> list[str]:
        """The label of each target."""
        return self.data.labels

    @property
    def loaded(self) -> LoadedModel:
        """The model, cut and tuned."""
        return self.tuned.network.loaded

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that the head reads."""
        return self.tuned.plan.read.layers

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.tuned.folder.name

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """The run, and a digest of all its tensors."""
        record = self.tuned.record
        whole = state_digest(self.tuned.network)
        return {"name": self.name, "weights": whole, "tuned_from": record["model"], "plan": record["plan"]}

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the head reads."""
        read = self.tuned.plan.read
        return {
            "read": list(read.layers),
            "keep": self.tuned.plan.keep,
            "pool": read.pool,
            **({"at": read.at} if read.at else {}),
        }

    @property
    def said(self) -> str:
        """What the head is, a sentence."""
        plan, record = self.tuned.plan, self.tuned.record
        layers = ", ".join(map(str, self.layers))
        return (
            f"The head '{plan.head.name}' of the run {self.name} ('{self.task.name}', tuned from "
            f"'{record['model']['name']}' on '{record['corpus']}') reads layer {layers} of its own model, "
            f"{plan.keep} blocks, and stays as it is."
        )

    def passes(self, rows: Longs, batch_tokens: int) -> list[HeadPass]:
        """Lay the examples of some targets out as batches, the longest first."""
        return head_passes(self.feed, rows, batch_tokens)

    def over(self, read: ReadTokens, table: TargetTable) -> TunedLabels:
        """Return the same head over other texts, whose targets are labelled with the rows that they were.

        Raises
        ------
        UsageError
            The run reads one position of every text, or chats, or text with its spaces: other words make no such text.
        """
        how = self.tuned.reading.input
        if how != "words" or self.data.at is not None:
            what = f"read at '{self.data.at}'" if how == "words" else f"read as {how}"
            raise UsageError(
                f"Words are erased from texts that are read as words, and those of the run in {self.tuned.folder} are "
                f"{what}. Name a run that reads words, and all of a text."
            )
        kept = Pooler(read.index, table).table
        rows = np.array(kept.labels, np.int64)
        data = replace(
            self.data,
            table=kept,
            labels=[self.labels[row] for row in rows.tolist()],
            gold=self.data.gold[rows],
            originals=read.examples,
            index=read.index,
            textless=read.textless,
            training=np.zeros(0, np.int64),
            notes=[],
            **places(read.index, kept, len(read.examples)),
        )
        return replace(self, data=data, examples=read.examples, notes=[])


def open_tuned(folder: str, model: ModelSource | None = None, *, spec: ScoringSpec, probing: ProbeSpec) -> TunedLabels:
    """Open a run, and lay out the labelled targets of a corpus as it knows them.

    Parameters
    ----------
    folder : str
        Of a run of ``probekit tune``.
    model : ModelSource, optional
        Where the model is that a run of differences came from; by default it is looked for.
    spec : ScoringSpec
        How the model computes.
    probing : ProbeSpec
        The corpus with its annotations, and folders of tasks.

    Raises
    ------
    UsageError
        No run is there, no corpus is named, the run gives no labels, or an option is of a probe or of another head.
    CacheError
        The run is not complete, or its files do not go together.
    InputError
        The corpus lacks an annotation, or holds no target.
    """
    if others := [name for name in probing.named if name not in OF_A_CORPUS]:
        raise UsageError(f"The `{others[0]}` option is of a probe, and a run reads what its plan says. Leave it out.")
    if (spec.score, spec.begin, spec.end) != ("auto", "auto", "auto") or spec.random_weights is not None:
        raise UsageError(
            "A run is measured by its own head and weights: leave out --score, --begin, --end and --random-weights."
        )
    if probing.corpus is None:
        raise UsageError(f"The run in {folder} is measured on a corpus: name it with --corpus.")
    place = plain.path(folder, "metric")
    probes = plain.paths(probing.probes, "probes")
    tuned = TunedModel.open(place, model=model, probes=probes, device=choose_device(spec.device), dtype=spec.dtype)
    _refuse_others(tuned)
    corpus = annotated(open_corpus(probing.corpus), plain.sources(probing.annotations, "annotations", Corpus))
    data = tuned.labelled(corpus)
    unseen = Counter(data.labels[row] for row in np.flatnonzero(data.gold == UNSEEN).tolist())
    notes = [*corpus.remarks, *data.notes, *unseen_notes(unseen, "labels of this corpus"), *_other_rows(tuned, data)]
    opened = TunedLabels(tuned, data, list(corpus), notes)
    notes += opened.feed.remarks
    return opened


def _refuse_others(tuned: TunedModel) -> None:
    targets = tuned.record["targets"]
    if targets == "text":
        raise UsageError(
            f"The run in {tuned.folder} is a language model with its own head. Saved whole, it is measured with "
            f"--metric loss:CORPUS --model {tuned.folder}."
        )
    if tuned.plan.modules:
        raise UsageError(
            f"The run in {tuned.folder} has modules in its blocks, and parts of blocks are left out of models without "
            "them. Name a run that trained blocks."
        )
    if targets != "labels":
        raise UsageError(
            f"The run in {tuned.folder} predicts {targets}, and what is measured is the accuracy of labels. Tune one "
            "with --targets labels."
        )


def _other_rows(tuned: TunedModel, data: TuningData) -> list[str]:
    """Say so where a corpus is not, row by row, the one that a run was tuned on."""
    record = tuned.record
    try:
        same = data.limited(record["examples"], tuned.plan.loop.seed).digest == record["data"]
    except InputError:  # the few examples drawn from it show one label
        same = False
    if same:
        return []
    return [
        f"These are not the rows that the run was tuned on ('{record['corpus']}'), or they are read otherwise: what is "
        "dev and test here may have been training there."
    ]
