"""Several tuned models that answer as one: an ensemble in a folder, or runs that are named beside each other.

Enters: the folder of an ensemble, or those of runs. Leaves: a :class:`TunedEnsemble`, which predicts as a tuned model
does. One member is open at a time. Surprise: labels are matched by their names, so members may know them by other
codes; a member whose files changed since the ensemble was made is refused.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit import plain
from probekit.corpus import Corpus, open_corpus
from probekit.corpus.repeats import text_key
from probekit.errors import CacheError, InputError, UsageError
from probekit.report import LayerReport
from probekit.statistics.mixtures import tempered
from probekit.storage.files import digest_of
from probekit.storage.strict import canonical, parse_object
from probekit.tasks import ProbeTask
from probekit.tuning.data.data import TARGETS, TuningData
from probekit.tuning.predict import Predicted, TunedModel, scores_of
from probekit.tuning.runs.folder import RunFolder
from probekit.tuning.runs.identity import MODEL_FILES, READ_FROM, RUN, WHERE, complete_record
from probekit.tuning.runs.saving import DELTA, HEAD, MODULES
from probekit.tuning.weighting import combine

FloatArray = NDArray[np.float64]
Key = tuple[Any, ...]
ENSEMBLE = "ensemble.json"
SCHEMA = "probekit.ensemble/1"
BESIDE = "+"
"""Between runs that are named as one text."""


def digest_of_run(folder: Path) -> str:
    """Return the sha256 of a complete run: what it was asked for, and the bytes of its model and head.

    Raises
    ------
    UsageError, CacheError
        No run is there, or it is not complete.
    """
    asked = complete_record(RunFolder(folder, writes=False))
    files = [name for name in (HEAD, DELTA, MODULES, *MODEL_FILES) if (folder / name).is_file()]
    said = {name: value for name, value in asked.items() if name not in (WHERE, READ_FROM, "cost")}
    return hashlib.sha256(canonical([said, {name: digest_of(folder / name) for name in files}])).hexdigest()


@dataclass(frozen=True, slots=True)
class Part:
    """A member and how much it counts.

    Attributes
    ----------
    folder : Path
    digest : str
        See :func:`digest_of_run`.
    weight : float
    """

    folder: Path
    digest: str
    weight: float


class TunedEnsemble:
    """Tuned models that answer together; make one with :meth:`open` or :meth:`of`.

    Attributes
    ----------
    name : str
    parts : tuple of Part
    record : mapping
        That of the first member: task, targets, classes.
    temperature : float
        By which log-probabilities are divided.
    best : Path
        The member that was best on dev.
    """

    def __init__(
        self,
        name: str,
        parts: Sequence[Part],
        *,
        temperature: float = 1.0,
        best: Path | None = None,
        probes: Any = (),
        device: str = "auto",
    ) -> None:
        self.name, self.parts, self.temperature = name, tuple(parts), temperature
        self._probes, self._device = probes, device
        records = [complete_record(RunFolder(part.folder, writes=False)) for part in self.parts]
        self.record: Mapping[str, Any] = records[0]
        self.best = (
            best or max(zip(self.parts, map(_dev_of, self.parts), strict=True), key=lambda pair: pair[1])[0].folder
        )
        for part, record in zip(self.parts, records, strict=True):
            check_alike(part.folder, record, self.parts[0].folder, self.record)

    @classmethod
    def open(cls, folder: str | os.PathLike[str], *, probes: Any = (), device: str = "auto") -> TunedEnsemble:
        """Open what ``probekit ensemble`` wrote.

        Parameters
        ----------
        folder : path
        probes : path or sequence of paths
            Folders of your own tasks.
        device : {"auto", "cpu", "cuda", "mps"}

        Raises
        ------
        UsageError
            No ensemble is there.
        CacheError
            A member is gone, or not what it was.
        """
        place = plain.path(folder, "folder")
        if not is_ensemble(place):
            raise UsageError(f"{place} is no ensemble of `probekit ensemble`: it has no {ENSEMBLE}.")
        said = parse_object((place / ENSEMBLE).read_bytes(), place / ENSEMBLE)
        parts = [Part(_found(place, one), one["digest"], float(one["weight"])) for one in said["members"]]
        best = _found(place, said["members"][said["best"]])
        for part in parts:
            if digest_of_run(part.folder) != part.digest:
                raise CacheError(
                    f"The run in {part.folder} is not the one that the ensemble in {place} was made of. Make the "
                    "ensemble again: probekit ensemble RUN RUN."
                )
        return cls(place.name, parts, temperature=said["temperature"] or 1.0, best=best, probes=probes, device=device)

    @classmethod
    def of(cls, named: str, *, probes: Any = (), device: str = "auto") -> TunedEnsemble:
        """Open an ensemble, or runs with ``+`` between their folders, which count the same.

        Parameters
        ----------
        named : str
        probes : path or sequence of paths
            Folders of your own tasks.
        device : {"auto", "cpu", "cuda", "mps"}

        Raises
        ------
        UsageError, CacheError
        """
        folders = [Path(part.strip()) for part in named.split(BESIDE) if part.strip()]
        if len(folders) == 1 and is_ensemble(folders[0]):
            return cls.open(folders[0], probes=probes, device=device)
        parts = [Part(folder.absolute(), digest_of_run(folder), 1 / len(folders)) for folder in folders]
        if not parts:
            raise UsageError(
                f"Name the teacher: --teacher RUN,RUN (teacher:of=RUN{BESIDE}RUN), or the folder of an ensemble."
            )
        return cls(BESIDE.join(folder.name for folder in folders), parts, probes=probes, device=device)

    @property
    def digest(self) -> str:
        """The sha256 of what it says: the members, their weights, the temperature."""
        said = [[part.digest, round(part.weight, 12)] for part in self.parts]
        return hashlib.sha256(canonical([said, round(self.temperature, 12)])).hexdigest()

    def members(self) -> Iterator[tuple[TunedModel, float]]:
        """Open the members that count one after the other, with their weights."""
        for part in self.parts:
            if part.weight > 0:
                yield TunedModel.open(part.folder, probes=self._probes, device=self._device), part.weight

    def says(
        self,
        corpus: Corpus,
        *,
        max_length: int | None = None,
        overflow: str | None = None,
        collecting: ProbeTask | None = None,
        meeting: Callable[[TunedModel], None] | None = None,
    ) -> tuple[TuningData, bool, FloatArray]:
        """Return every target of a corpus, whether it is labelled, and what is said of each [n, outputs].

        Parameters
        ----------
        corpus : Corpus
        max_length, overflow : optional
            By default those of each member.
        collecting : ProbeTask, optional
            What says where the targets are, whatever the corpus labels.
        meeting : callable, optional
            Called with each member while it is open.

        Raises
        ------
        InputError
            The members do not read the same targets of it.
        """
        first: tuple[TuningData, bool] | None = None
        said: list[FloatArray] = []
        weights: list[float] = []
        keys: list[Key] = []
        classes, targets = self.record["classes"], self.record["targets"]
        for model, weight in self.members():
            if meeting is not None:
                meeting(model)
            data, labelled = model.laid_out(corpus, max_length=max_length, overflow=overflow, collecting=collecting)
            rows = np.arange(len(data.table))
            first = first or (data, labelled)
            keys = keys or keys_of(data, rows)
            if (now := keys_of(data, rows)) != keys:
                raise InputError(
                    f"The members of '{self.name}' do not read the same targets of '{corpus.name}': {len(keys):,} and "
                    f"{len(now):,}. One of their tokenizers leaves words out, or cuts examples shorter."
                )
            said.append(in_order(model.says(data, data.examples("test")), data.classes, classes))
            weights.append(weight)
        assert first is not None
        whole = combine(np.stack(said), np.array(weights) / sum(weights), targets)
        return *first, tempered(whole, self.temperature) if targets == "labels" else whole

    def predict(self, corpus: Any, *, max_length: int | None = None, overflow: str | None = None) -> Predicted:
        """Predict every target of a corpus, whatever its splits; see :meth:`TunedModel.predict`.

        Parameters
        ----------
        corpus : anything :func:`~probekit.corpus.open_corpus` takes
        max_length, overflow : optional

        Raises
        ------
        InputError
            The members do not read the same targets of it.
        """
        data, labelled, said = self.says(open_corpus(corpus), max_length=max_length, overflow=overflow)
        values = answers(said, self.record["targets"])
        if data.classes != tuple(self.record["classes"]):
            values = np.array([data.classes.index(self.record["classes"][int(code)]) for code in values], np.float64)
        report = scores_of(data, values, name=self.name, seed=0) if labelled else None
        return Predicted(data, values, labelled, report)


def is_ensemble(folder: Path) -> bool:
    """Whether a folder is that of an ensemble."""
    return (folder / ENSEMBLE).is_file() and not (folder / RUN).is_file()


def check_alike(folder: Path, record: Mapping[str, Any], first: Path, other: Mapping[str, Any]) -> None:
    """Refuse a run that does not answer what another one answers.

    Raises
    ------
    UsageError
    """
    if record["targets"] not in TARGETS:
        raise UsageError(f"The run in {folder} is a language model ('text'), and those are not combined.")
    for name in ("task", "targets", "kind", "edges"):
        if record[name] != other[name]:
            raise UsageError(
                f"Runs that answer together have one task. The {name} of {folder} is '{record[name]}', that of {first} "
                f"'{other[name]}'."
            )
    if odd := sorted(set(record["classes"]) ^ set(other["classes"])):
        raise UsageError(
            f"Runs that answer together know the same labels. Of {folder} and {first} one alone knows "
            f"{', '.join(map(repr, odd[:5]))}{' and others' if len(odd) > 5 else ''}: train them on rows with the same "
            "labels."
        )


def keys_of(data: TuningData, rows: NDArray[np.int64]) -> list[Key]:
    """Return what targets are known by, whoever reads them: example, its words, spans, and a number of those alike."""
    table, seen, found = data.table, dict[Key, int](), list[Key]()
    words, its = data.words, table.example[rows].tolist()
    text = {at: text_key(words[at]) for at in set(its)}
    for row, at in zip(rows.tolist(), its, strict=True):
        key = (table.ids[at], text[at], *table.spans[row].ravel().tolist())
        seen[key] = seen.get(key, -1) + 1
        found.append((*key, seen[key]))
    return found


def in_order(said: FloatArray, own: Sequence[str], wanted: Sequence[str]) -> FloatArray:
    """Return the columns of labels in another order, by their names; numbers as they are."""
    if list(own) == list(wanted):
        return said
    place = {label: column for column, label in enumerate(own)}
    return said[:, [place[label] for label in wanted]]


def answers(said: FloatArray, targets: str) -> FloatArray:
    """Return the codes, or the numbers, that are said [n]."""
    return said.argmax(axis=1).astype(np.float64) if targets == "labels" else said[:, 0]


def _found(place: Path, member: Mapping[str, Any]) -> Path:
    """Return where a member is: where it was, or as far from the ensemble as it was then."""
    for folder in (Path(member["folder"]), place / member["from_here"]):
        if (folder / RUN).is_file():
            return Path(os.path.normpath(folder.absolute()))
    raise CacheError(
        f"The ensemble in {place} is made of the run in {member['folder']}, which is no more there. Put it back, or "
        "make the ensemble of the others again."
    )


def _dev_of(part: Part) -> float:
    report = LayerReport.read(part.folder / "report.jsonl")
    rows = report.select("tuned", split="dev", metric=report.metric)
    return rows[0].value or -np.inf if rows else -np.inf
