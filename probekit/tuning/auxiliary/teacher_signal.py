"""A teacher as a signal: what a run, or several together, say of the texts, as targets beside the labels.

Enters: a run before its first step, a teacher by name. Leaves: a :class:`TeacherSignal`. The teacher is run once, over
the rows that are trained on and over texts without labels; what it says is kept beside the run with the digest of what
said it, and read again by a run that goes on. Surprise: the rows that the teacher trained on are read too: one that saw
the student's test rows is refused, since the student would learn them by heart from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from probekit.corpus import Corpus, open_corpus
from probekit.errors import CacheError, InputError, UsageError
from probekit.example import Example
from probekit.extraction.spec import ExtractionSpec
from probekit.storage.files import digest_of
from probekit.storage.strict import canonical
from probekit.tasks import ProbeTask, Target
from probekit.tuning.auxiliary.pulling import divergence
from probekit.tuning.auxiliary.signal_module import SignalModule
from probekit.tuning.combined import FloatArray, TunedEnsemble, in_order, keys_of
from probekit.tuning.data.coded import coded
from probekit.tuning.data.data import TARGETS, TuningData, ordinals
from probekit.tuning.data.layout import ExampleBatch
from probekit.tuning.data.order import EndlessBatches, epoch_steps
from probekit.tuning.data.reading import read_model
from probekit.tuning.data.unlabelled import without_answers
from probekit.tuning.heads import get_head
from probekit.tuning.network.feed import Feed
from probekit.tuning.predict import TunedModel
from probekit.tuning.runs.folder import RunFolder
from probekit.tuning.runs.identity import READ_FROM
from probekit.tuning.runs.source import rows_of

if TYPE_CHECKING:
    from probekit.tuning.network.network import Network
    from probekit.tuning.signals import SignalSpec

IntArray = NDArray[np.int64]
SAID, RECORD = "teacher.safetensors", "teacher.json"
FEW = 0.01
"""Of the test rows: as many may be among those that a teacher trained on, by the chance of short sentences."""
TRUNCATED = ExtractionSpec(overflow="truncate")


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


def digest_of_teacher(of: str, on: str) -> str:
    """Return the sha256 of what a teacher says, and of the texts without labels."""
    texts = open_corpus(on).fingerprint if on else None
    return hashlib.sha256(canonical([TunedEnsemble.of(of).digest, texts])).hexdigest()


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
    if not asked.of:
        raise UsageError("Name the teacher: --teacher RUN,RUN (teacher:of=RUN+RUN), or the folder of an ensemble.")
    if own.targets not in TARGETS:
        raise UsageError("The task 'text' learns from tokens, and no teacher is asked of them. Leave 'teacher' out.")
    if get_head(plan.head.name).sentences:
        raise UsageError(
            f"The head '{plan.head.name}' scores whole sentences, and a teacher speaks of each target by itself. "
            "Take --head linear."
        )
    if asked.hard and own.targets == "numbers":
        raise UsageError("A number is no label that a teacher could hold for the likeliest. Leave out hard=.")
    teacher = TunedEnsemble.of(asked.of, device=spec.network.device.type)
    _check_fits(teacher, own)
    texts = _texts(spec, asked.on) if asked.on else None
    said, remarks = _said(teacher, own, texts, spec.folder, asked.on)
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
    read = read_model(spec.network.loaded, corpus, TRUNCATED)
    every = replace(read, examples=[replace(example, split="train") for example in read.examples])
    record = {"classes": own.classes, "targets": own.targets}
    return coded(record, own.task, every, corpus=corpus.name, collecting=asked)


def _said(
    teacher: TunedEnsemble, own: TuningData, texts: TuningData | None, folder: RunFolder, on: str
) -> tuple[dict[str, FloatArray], list[str]]:
    """Return what the teacher says, now or before, and what a person must know of it."""
    what = {"teacher": teacher.digest, "own": own.digest, "texts": None if texts is None else texts.digest}
    known = folder.read(RECORD)
    if known is None or any(known.get(name) != value for name, value in what.items()):
        seen = _Seen(own)
        found = {"own": _asked_of(teacher, own, seen.meet)}
        if texts is not None:
            every = Corpus.from_examples(
                [replace(example, split="train") for example in open_corpus(on)], name=texts.corpus
            )
            found["texts"] = _aligned(teacher, texts, every, without_answers(own.task))
        remarks = seen.remarks()
        tensors = {name: torch.from_numpy(value) for name, value in found.items()}
        sha256 = digest_of(folder.write_tensors(SAID, tensors)) if folder.writes else ""
        known = {**what, "sha256": sha256, "remarks": remarks}
        folder.write(RECORD, known)
        return found, [*_counted(teacher, own, found), *known["remarks"]]
    file = folder.path / SAID
    if not file.is_file() or digest_of(file) != known["sha256"]:
        raise CacheError(f"{file} is damaged: remove it and {RECORD} beside it, and run the same command again.")
    found = {name: value.numpy() for name, value in folder.read_tensors(SAID).items()}
    return found, [*_counted(teacher, own, found), *known["remarks"]]


def _counted(teacher: TunedEnsemble, own: TuningData, found: Mapping[str, FloatArray]) -> list[str]:
    members = f"{len(teacher.parts)} members" if len(teacher.parts) > 1 else "one run"
    asked = np.concatenate([np.arange(*own.held[example]) for example in own.training])
    texts = f" and {len(found['texts']):,} of texts without labels" if "texts" in found else ""
    said = [f"{members} ({teacher.name}) said once what they hold of {len(asked):,} training targets{texts}."]
    missing = int(np.isnan(found["own"][asked, 0]).sum()) + int(
        np.isnan(found.get("texts", np.zeros((0, 1)))[:, 0]).sum()
    )
    if missing:
        said.append(f"{missing:,} targets are left out: the teacher's tokenizer does not read them.")
    return said


def _asked_of(teacher: TunedEnsemble, own: TuningData, meeting: Callable[[TunedModel], None]) -> FloatArray:
    """Return what the teacher says of the rows that are trained on, in the order of the table; NaN of all others."""
    spans: dict[str, list[Target]] = {}
    rows = np.concatenate([np.arange(*own.held[example]) for example in own.training])
    for row in rows.tolist():
        whole = tuple((low, high) for low, high in own.table.spans[row].tolist())
        spans.setdefault(own.table.ids[own.table.example[row]], []).append(Target(whole, ""))
    asked = ProbeTask(name="unlabelled", kind=own.task.kind, targets=lambda example: spans[example.id])
    examples = [Example(own.table.ids[at], tuple(own.words[at]), split="train") for at in own.training.tolist()]
    return _aligned(teacher, own, Corpus.from_examples(examples, name=own.corpus), asked, meeting)


def _aligned(
    teacher: TunedEnsemble,
    data: TuningData,
    corpus: Corpus,
    asked: ProbeTask,
    meeting: Callable[[TunedModel], None] | None = None,
) -> FloatArray:
    """Return what the teacher says of a corpus in the order of the rows of some targets; NaN where it says nothing."""
    theirs, _, said = teacher.says(corpus, spec=TRUNCATED, collecting=asked, meeting=meeting)
    ordered = said
    if data.targets == "labels":
        ordered = in_order(said, teacher.record["classes"], data.classes)
    place = {key: at for at, key in enumerate(keys_of(theirs, np.arange(len(theirs.table))))}
    at = np.array([place.get(key, -1) for key in keys_of(data, np.arange(len(data.table)))])
    found = np.full((len(at), data.outputs), np.nan)
    found[at >= 0] = ordered[at[at >= 0]]
    return found


@dataclass(slots=True)
class _Seen:
    """What the members of a teacher trained on, and whether those are rows of the student's dev and test.

    Rows that the student's own training part has too are no news of the teacher's.
    """

    own: TuningData
    trained: set[tuple[str, ...]] = field(default_factory=set)
    unknown: int = 0

    def meet(self, model: TunedModel) -> None:
        """Read the rows of a member again, where it says where they are."""
        if (model.record.get(READ_FROM) or {}).get("corpus") is None:
            self.unknown += 1
            return
        rows = rows_of(model.folder, model.record, model.task, model.network.loaded, None, option="the same corpus")
        self.trained |= {tuple(rows.words[example]) for example in rows.training}

    def remarks(self) -> list[str]:
        """Return what is to be said of it.

        Raises
        ------
        UsageError
            They trained on test rows.
        """
        own = self.own
        known = {tuple(own.words[example]) for example in ordinals(own.table, "train")}
        counts = {}
        for split in ("dev", "test"):
            words = [tuple(own.words[example]) for example in own.examples(split)]
            counts[split] = sum(one in self.trained and one not in known for one in words), len(words)
        hits, of = counts["test"]
        if hits > FEW * of:
            raise UsageError(
                f"The teacher trained on {hits:,} of the {of:,} test examples of '{own.corpus}', and would tell their "
                "labels. Take one that was trained on the same parts."
            )
        said = [
            f"it trained on {hits:,} of {of:,} {split} examples, which the student does not train on."
            for split, (hits, of) in counts.items()
            if hits
        ]
        if self.unknown:
            said.append(
                f"{self.unknown} of its members do not say which rows they trained on, so whether they saw rows of dev "
                "or test is not known."
            )
        return said
