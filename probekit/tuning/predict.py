"""A tuned model, opened again to predict.

Enters: the folder of a run, a corpus. Leaves: what it predicts of each target, and scores where the corpus is labelled.
Without labels every word is a target of a task over words, and every example of one over sentences; spans and pairs
must be said by the corpus.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit import plain
from probekit.corpus import Corpus, open_corpus
from probekit.errors import InputError
from probekit.example import Example
from probekit.extraction.spec import ExtractionSpec
from probekit.features.labels import UNSEEN, unseen_notes
from probekit.models.sources.find import ModelSource
from probekit.report import LayerReport
from probekit.tasks import ProbeTask
from probekit.tuning.data.coded import coded
from probekit.tuning.data.data import TuningData
from probekit.tuning.data.reading import AskedReading, ReadTokens, reading_of, tokens_of
from probekit.tuning.data.sliced import memberships, told_here
from probekit.tuning.data.text import TARGETS, lay_out_text, task_named
from probekit.tuning.data.unlabelled import lacking_notes, without_answers
from probekit.tuning.network.feed import Feed
from probekit.tuning.network.network import Network
from probekit.tuning.plan import TunePlan
from probekit.tuning.runs.identity import READ_FROM, REPORT
from probekit.tuning.runs.opening import open_run
from probekit.tuning.slice_choices import SliceChoice
from probekit.tuning.training.scoring import SplitScorer, blank_row
from probekit.tuning.training.slice_scores import slice_rows

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a tuned model says of a corpus.

    Attributes
    ----------
    data : TuningData
    values : float64 array [n]
        Codes or numbers, in the order of the table.
    labelled : bool
        Whether the corpus says what is true beside the text.
    report : LayerReport or None
        Scores, where it does, and of text.
    """

    data: TuningData
    values: NDArray[np.float64]
    labelled: bool
    report: LayerReport | None

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield one JSON-able line a target, in corpus order."""
        table, data = self.data.table, self.data
        for row in np.argsort(table.example, kind="stable").tolist():
            value: Any = float(self.values[row])
            line = {
                "example": table.ids[table.example[row]],
                "spans": table.spans[row].tolist(),
                "form": table.forms[row],
            }
            if data.targets == TARGETS:
                yield {**line, "token": int(data.spans[row, 0, 0]), "logprob": value}
                continue
            line["predicted"] = data.classes[int(value)] if data.targets == "labels" else value
            if self.labelled:
                line["gold"] = data.labels[row] if data.targets == "labels" else float(data.gold[row])
            yield line


class TunedModel:
    """A run, ready to predict; make one with :meth:`open`.

    Attributes
    ----------
    folder : Path
    plan : TunePlan
    network : Network
    record : dict
        What the run was asked for.
    task : ProbeTask
    """

    def __init__(self, folder: Path, plan: TunePlan, network: Network, record: dict[str, Any], task: ProbeTask) -> None:
        self.folder, self.plan, self.network = folder, plan, network
        self.record, self.task = record, task

    @classmethod
    def open(
        cls,
        folder: str | os.PathLike[str],
        *,
        model: str | ModelSource | None = None,
        beside: str | os.PathLike[str] | None = None,
        probes: Any = (),
        device: str = "auto",
        dtype: str = "float32",
        head_of: str | os.PathLike[str] | None = None,
        base: TunedModel | None = None,
    ) -> TunedModel:
        """Open the folder of a complete run.

        Parameters
        ----------
        folder : path
        model : str or ModelSource, optional
            Where the model is that a run of differences came from; by default it is looked for by its name.
        beside : path, optional
            Where the word vectors are that the run reads beside the model; by default where they were.
        probes : path or ProbeTask, or a sequence of them
            Folders of your own tasks, or the task itself.
        device : {"auto", "cpu", "cuda", "mps"}
        dtype : {"float32", "bfloat16", "float16"}
            Of the model; the head is in float32.
        head_of : path, optional
            Another run, whose head answers its task on this one's model: what a model still knows of the task that it
            was tuned for before.
        base : TunedModel, optional
            A run that is open already and whose model this one shares: both have modules in blocks that stayed as they
            were, and each predicts through its own.

        Raises
        ------
        CacheError
            The run is not complete, its files do not go together, or its word vectors are not there.
        UsageError
            No run is there, the head does not fit the model, or the model of `base` is another.
        """
        run = open_run(folder, model=model, beside=beside, device=device, dtype=dtype, head_of=head_of, base=base)
        task = task_named(run.asked["task"], *plain.sources(probes, "probes", ProbeTask))
        return cls(run.folder, run.plan, run.network, run.asked, task)

    @property
    def report(self) -> LayerReport:
        """What the run was worth on its own dev and test."""
        return LayerReport.read(self.folder / REPORT)

    @property
    def reading(self) -> ExtractionSpec:
        """How the run read its texts: as words, as text or as chats, how much at once, and what of longer ones."""
        return reading_of(self.record.get(READ_FROM))

    def predict(
        self, corpus: Any, *, max_length: int | None = None, overflow: str | None = None, batch_tokens: int = 2048
    ) -> Predicted:
        """Predict every target of a corpus, whatever its splits; texts are read as the run read its own.

        Targets whose label training showed and found too rare for the task are left out, as the run left them out; so
        are examples without labels where others have them, and words without one in labelled examples; notes count and
        name them.

        Parameters
        ----------
        corpus : anything :func:`~probekit.corpus.open_corpus` takes
        max_length, overflow : optional
            By default those of the run; see :func:`~probekit.extract`.
        batch_tokens : int

        Raises
        ------
        InputError
            The corpus does not say where spans or pairs are, an example is too long, or there is no target.
        """
        opened, how = open_corpus(corpus), self._how(max_length, overflow)
        if self.record["targets"] == TARGETS:
            examples = [replace(example, split="test") for example in opened]
            read = self._read(examples, f"the corpus '{opened.name}'", how)
            return self._of_text(lay_out_text(self.network.loaded, opened.name, read, scored=True), batch_tokens)
        data, labelled = self.laid_out(opened, max_length=max_length, overflow=overflow)
        feed = Feed(self.network, data, batch_tokens=batch_tokens)
        values = feed.predict(data.examples("test"))
        data.notes.extend(feed.remarks)
        if data.targets == "numbers":
            centre, spread = self.record["scale"]
            values = values * spread + centre
        if not labelled:
            return Predicted(data, values, False, None)
        slices, left_out = told_here(data, self.plan.slices)
        data.notes.extend(left_out)
        return Predicted(data, values, True, self._scores(data, values, slices))

    def laid_out(
        self,
        corpus: Corpus,
        *,
        max_length: int | None = None,
        overflow: str | None = None,
        collecting: ProbeTask | None = None,
    ) -> tuple[TuningData, bool]:
        """Lay out every target of a corpus as ``test``, and tell whether the corpus says what is true of it.

        Parameters
        ----------
        corpus : Corpus
        max_length, overflow : optional
            By default those of the run.
        collecting : ProbeTask, optional
            What says where the targets are, whatever the corpus labels.

        Raises
        ------
        InputError
            The corpus does not say where spans or pairs are, an example is too long, or there is no target.
        """
        examples = [replace(example, split="test") for example in corpus]
        read = self._read(examples, f"the corpus '{corpus.name}'", self._how(max_length, overflow))
        needs = self.task.needs
        labelled = collecting is None and all(
            any(name in e.annotations or name in e.spans for e in examples) for name in needs
        )
        unlabelled = collecting or (None if labelled else without_answers(self.task))
        data = coded(self.record, self.task, read, corpus=corpus.name, collecting=unlabelled, at=self.plan.read.at)
        if labelled:
            data.notes.extend(lacking_notes(examples, self.task))
        if labelled and data.targets == "labels":
            unseen = Counter(data.labels[row] for row in np.flatnonzero(data.gold == UNSEEN).tolist())
            data.notes.extend(unseen_notes(unseen, "labels of this corpus"))
        return data, labelled

    def says(self, data: TuningData, examples: IntArray, *, batch_tokens: int = 2048) -> NDArray[np.float64]:
        """Return what the run says of the targets of some examples, in table order [n, outputs].

        That is the log-probability of each of its classes, or one number as the task has it.
        """
        feed = Feed(self.network, data, batch_tokens=batch_tokens)
        data.notes.extend(feed.remarks)
        if data.targets == "labels":
            return feed.log_probabilities(examples)
        centre, spread = self.record["scale"]
        return (feed.predict(examples) * spread + centre)[:, None]

    def labelled(self, corpus: Corpus) -> TuningData:
        """Lay out the labelled targets of a corpus in its own splits, as the run knows them.

        Raises
        ------
        InputError
            The corpus lacks an annotation, an example is too long, or there is no target.
        """
        read = self._read(list(corpus), f"the corpus '{corpus.name}'", self.reading)
        return coded(self.record, self.task, read, corpus=corpus.name, at=self.plan.read.at)

    def _how(self, max_length: int | None, overflow: str | None) -> ExtractionSpec:
        return AskedReading(max_length=max_length, overflow=overflow).over(self.reading)

    def _read(self, examples: list[Example], where: str, spec: ExtractionSpec) -> ReadTokens:
        index, textless, notes = tokens_of(self.network.loaded, examples, spec, where=where)
        return ReadTokens(examples, index, textless, notes, spec)

    def _of_text(self, data: TuningData, batch_tokens: int) -> Predicted:
        if not len(data.table):
            raise InputError(f"There is no token to predict in the corpus '{data.corpus}'. {' '.join(data.notes)}")
        feed = Feed(self.network, data, batch_tokens=batch_tokens)
        values = feed.predict(data.examples("test"))
        data.notes.extend(feed.remarks)
        return Predicted(data, values, False, self._scores(data, values))

    def _scores(self, data: TuningData, values: NDArray[np.float64], slices: Sequence[SliceChoice] = ()) -> LayerReport:
        return scores_of(data, values, name=self.folder.name, seed=self.plan.loop.seed, plan=self.plan, slices=slices)


def scores_of(
    data: TuningData,
    values: NDArray[np.float64],
    *,
    name: str,
    seed: int,
    plan: TunePlan | None = None,
    slices: Sequence[SliceChoice] = (),
) -> LayerReport:
    """Return what predictions of ``test`` are worth.

    Parameters
    ----------
    data : TuningData
    values : float64 array [n]
        Codes, numbers or log-probabilities, in the order of the table.
    name : str
        Of what predicts.
    seed : int
        Of the resamples.
    plan : TunePlan, optional
        Of what predicts, where it is one model.
    slices : sequence of SliceChoice
        That can be told in this corpus: they are scored apart.
    """
    scorer = SplitScorer(data, "test", seed=seed)
    settings = {"estimator": "tuned", "metric": scorer.metrics[0], "kind": data.counted}
    provenance = {
        "task": data.task.name,
        "model": {"name": name},
        "corpus": {"name": data.corpus},
        "settings": settings,
        "notes": data.notes,
    }
    blank = blank_row(plan, data, name)
    rows, said = slice_rows(scorer, values, blank, memberships(data, slices))
    data.notes.extend(said)
    return LayerReport((*scorer.measurements(values, blank), *rows), provenance)
