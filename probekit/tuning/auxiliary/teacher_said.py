"""What a teacher says of the rows that a student trains on, asked once and kept beside the run.

Enters: a teacher, the student's targets, its folder. Leaves: what is said of every row, in the order of the student's
table; NaN where nothing is. Surprise: the rows that the teacher trained on are read too: one that saw the student's
test rows is refused, since the student would learn their labels from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from probekit.corpus import Corpus, open_corpus
from probekit.errors import CacheError, UsageError
from probekit.example import NOTHING
from probekit.storage.files import digest_of
from probekit.tasks import ProbeTask, Target
from probekit.tuning.combined import FloatArray, TunedEnsemble, in_order, keys_of
from probekit.tuning.data.data import TuningData, ordinals
from probekit.tuning.data.unlabelled import without_answers
from probekit.tuning.predict import TunedModel
from probekit.tuning.runs.folder import RunFolder
from probekit.tuning.runs.identity import READ_FROM
from probekit.tuning.runs.source import rows_of

SAID, RECORD = "teacher.safetensors", "teacher.json"
FEW = 0.01
"""Of the test rows: as many may be among those that a teacher trained on, by the chance of short sentences."""


def said_by(
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
    # What an example is labelled with stays here; spans say where its messages, sentences and marks are.
    examples = [replace(own.originals[at], annotations=NOTHING, split="train") for at in own.training.tolist()]
    return _aligned(teacher, own, Corpus.from_examples(examples, name=own.corpus), asked, meeting)


def _aligned(
    teacher: TunedEnsemble,
    data: TuningData,
    corpus: Corpus,
    asked: ProbeTask,
    meeting: Callable[[TunedModel], None] | None = None,
) -> FloatArray:
    """Return what the teacher says of a corpus in the order of the rows of some targets; NaN where it says nothing."""
    theirs, _, said = teacher.says(corpus, overflow="truncate", collecting=asked, meeting=meeting)
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
