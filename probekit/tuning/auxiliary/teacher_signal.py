"""A teacher as a signal: what a run, or several together, say of the texts, as targets beside the labels.

Enters: a run before its first step, a teacher by name. Leaves: a :class:`TeacherSignal`. Surprise: the batches are
those of the task itself, run once more, so that the task sees what it sees without a teacher.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from probekit.corpus import open_corpus
from probekit.errors import InputError, UsageError
from probekit.tuning.auxiliary.pulling import divergence
from probekit.tuning.auxiliary.signal_module import SignalModule
from probekit.tuning.auxiliary.teacher_said import said_by
from probekit.tuning.combined import FloatArray, TunedEnsemble
from probekit.tuning.data.coded import coded
from probekit.tuning.data.data import TARGETS, TuningData
from probekit.tuning.data.layout import ExampleBatch
from probekit.tuning.data.order import EndlessBatches, epoch_steps
from probekit.tuning.data.reading import further, read_model
from probekit.tuning.data.unlabelled import without_answers
from probekit.tuning.heads import get_head
from probekit.tuning.network.feed import Feed

if TYPE_CHECKING:
    from probekit.tuning.network.network import Network
    from probekit.tuning.signals import SignalSpec

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for; attributes as the options of the signal."""

    of: str
    temperature: float
    hard: float
    on: str


@dataclass(frozen=True, slots=True)
class TaughtBatch:
    """A batch with what the teacher says of its targets.

    Attributes
    ----------
    laid : ExampleBatch
    said : float64 array [n, outputs]
        NaN of a target that the teacher does not read.
    share : float
        Of the sum of its loss in the mean of all that a step has of its kind, times how many batches that has.
    own : bool
        Of the task's own texts.
    """

    laid: ExampleBatch
    said: FloatArray
    share: float
    own: bool


def teacher_signal(spec: SignalSpec, asked: Asked) -> TeacherSignal:
    """Open the teacher, or what it said before, and return the signal.

    Raises
    ------
    UsageError
        No teacher is named; it answers another task, or knows other labels; it trained on test rows; the head scores
        whole sentences, or predicts numbers and is to learn a label.
    CacheError
        What it said before is damaged.
    """
    own, plan = spec.feed.data, spec.plan
    if own.targets not in TARGETS:
        raise UsageError("The task 'text' learns from tokens, and no teacher is asked of them. Leave 'teacher' out.")
    if get_head(plan.head.name).sentences:
        raise UsageError(
            f"The head '{plan.head.name}' scores whole sentences, and a teacher speaks of each target by itself. "
            "Take --head linear."
        )
    if asked.hard and own.targets == "numbers":
        raise UsageError("A number is no label that a teacher could hold for the likeliest. Leave out hard=.")
    teacher = TunedEnsemble.of(asked.of, probes=own.task, device=spec.network.device.type)
    _check_fits(teacher, own)
    texts = _texts(spec, asked.on) if asked.on else None
    said, remarks = said_by(teacher, own, texts, spec.folder, asked.on)
    return TeacherSignal(spec, said, texts, asked, [f"teacher: {remark}" for remark in remarks])


class TeacherSignal(SignalModule):
    """The divergence from a teacher: over the batches of the task, and one batch a step of texts without labels.

    Parameters
    ----------
    spec : SignalSpec
    said : mapping of str to float64 array [rows, outputs]
        Of every row of ``own`` and of ``texts``; NaN where the teacher says nothing.
    texts : TuningData or None
    asked : Asked
    remarks : list of str
    """

    def __init__(
        self,
        spec: SignalSpec,
        said: Mapping[str, FloatArray],
        texts: TuningData | None,
        asked: Asked,
        remarks: list[str],
    ) -> None:
        super().__init__(spec)
        loop, self._data, self._feed = spec.plan.loop, spec.feed.data, spec.feed
        self._given, self._asked, self.remarks = said, asked, remarks
        sizes = self._data.sizes[self._data.training]
        epochs = [epoch_steps(self._data.training, sizes, loop=loop, epoch=epoch) for epoch in range(loop.epochs)]
        self._steps = [step for steps in epochs for step in steps]
        self._texts: tuple[Feed, EndlessBatches] | None = None
        if texts is not None:
            order = EndlessBatches(texts.training, texts.sizes[texts.training], batch_tokens=loop.batch_tokens)
            self._texts = Feed(spec.network, texts, batch_tokens=loop.batch_tokens), order

    def batches(self, seed: int, step: int) -> Sequence[TaughtBatch]:
        """Return the batches that the task trains on at a step, and one of texts without labels."""
        own = [self._feed.batch(examples) for examples in self._steps[step]]
        total = sum(len(batch.targets) for batch in own)
        count = len(own) + (self._texts is not None)
        found = [TaughtBatch(batch, self._given["own"][batch.targets], count / total, True) for batch in own]
        if self._texts is not None:
            feed, order = self._texts
            laid = feed.batch(order.numbered(seed, step))
            said = self._given["texts"][laid.targets]
            found.append(TaughtBatch(laid, said, count / max(1, len(laid.targets)), False))
        return found

    def outputs(self, network: Network, batch: TaughtBatch) -> Tensor:
        """Return the scores of the student [n, outputs]."""
        if batch.own:
            return self._feed.scores(batch.laid)
        scores: Tensor = network(batch.laid, {})
        return scores

    def loss(self, outputs: Tensor, batch: TaughtBatch) -> Tensor:
        """Return the divergence from what the teacher says, and of the likeliest label the cross-entropy."""
        there = torch.from_numpy(~np.isnan(batch.said[:, 0])).to(outputs.device)
        old = torch.from_numpy(batch.said).to(outputs.device, torch.float32)[there]
        new = outputs.float()[there]
        if self._data.targets == "numbers":
            wanted = (old - self._data.centre) / self._data.spread
            return (new - wanted).square().sum() / 2 * batch.share
        loss = (1 - self._asked.hard) * divergence(old, new, self._asked.temperature)
        if self._asked.hard:
            loss = loss + self._asked.hard * F.cross_entropy(new, old.argmax(1), reduction="sum")
        return loss * batch.share


def _check_fits(teacher: TunedEnsemble, own: TuningData) -> None:
    """Refuse a teacher that answers something else."""
    record = teacher.record
    asked = {"task": own.task.name, "targets": own.targets, "kind": own.task.kind}
    for name, value in asked.items():
        if record[name] != value:
            raise UsageError(f"The {name} of the teacher is '{record[name]}', that of this run '{value}'.")
    if odd := sorted(set(record["classes"]) ^ set(own.classes)):
        raise UsageError(
            f"Teacher and student know the same labels. One of both alone knows {', '.join(map(repr, odd[:5]))}"
            f"{' and others' if len(odd) > 5 else ''}: train them on rows with the same labels."
        )


def _texts(spec: SignalSpec, on: str) -> TuningData:
    """Return the targets of texts without labels, all of them to be trained on."""
    own, corpus = spec.feed.data, open_corpus(on)
    try:
        asked = without_answers(own.task)
    except InputError as error:
        raise UsageError(
            f"Texts without labels do not name the {own.task.kind}s that '{own.task.name}' is about. Leave out on=."
        ) from error
    read = read_model(spec.network.loaded, corpus, further(own.reading))
    every = replace(read, examples=[replace(example, split="train") for example in read.examples])
    record = {"classes": own.classes, "targets": own.targets}
    return coded(record, own.task, every, corpus=corpus.name, collecting=asked, at=own.at)
