"""What the members of an ensemble say of dev and of test.

Enters: folders of complete runs. Leaves: a :class:`Gathered`: the same rows for all, in one order, with one order of
labels. Dev has the rows that no member trained on. Surprise: where there are none, as of folds, it has every row that
some member held out, with what those members alone say of it: out-of-fold predictions, by which nothing can be weighed,
since no two folds answer the same row, but a temperature can be found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from probekit.errors import CacheError, UsageError
from probekit.example import SPLITS
from probekit.report import LayerReport
from probekit.tuning.combined import FloatArray, Key, check_alike, digest_of_run, in_order, keys_of
from probekit.tuning.data.data import TuningData
from probekit.tuning.data.folds import resplit
from probekit.tuning.predict import TunedModel
from probekit.tuning.runs.identity import REPORT
from probekit.tuning.runs.source import rows_of
from probekit.tuning.training.scoring import SplitScorer

HELD = ("dev", "test")


@dataclass(frozen=True, slots=True)
class Member:
    """A run.

    Attributes
    ----------
    folder : Path
    name : str
        What tells it from the others.
    digest : str
    own_dev : float
        Its score on its own dev.
    seconds : float
        That it took to train.
    trained_on : int
        Examples.
    parameters : int
        That are run to predict.
    """

    folder: Path
    name: str
    digest: str
    own_dev: float
    seconds: float
    trained_on: int
    parameters: int


@dataclass(frozen=True, slots=True)
class Gathered:
    """What members say of the same rows.

    Attributes
    ----------
    members : tuple of Member
    scorers : dict of str to SplitScorer
        Of ``dev`` and ``test``, in the order of labels of the first member.
    said : dict of str to float64 array [members, n, outputs]
        Log-probabilities, or numbers; of ``dev`` NaN where a member trained on a row.
    out_of_fold : bool
        No row of dev was held out from all.
    guess : float
        What training says without a model: the code of its most frequent label, or its mean.
    notes : list of str
    """

    members: tuple[Member, ...]
    scorers: dict[str, SplitScorer]
    said: dict[str, FloatArray]
    out_of_fold: bool
    guess: tuple[str, float]
    notes: list[str]

    @property
    def data(self) -> TuningData:
        """The targets, dev among them as it is here."""
        return self.scorers["test"].data


@dataclass(frozen=True, slots=True)
class _Read:
    """What one member has of a split."""

    keys: list[Key]
    labels: list[Any]
    said: FloatArray
    notes: list[str]


@dataclass(frozen=True, slots=True)
class _Known:
    """What runs before said of rows: the label of each, and the words of their examples, each with its run."""

    labels: dict[Key, tuple[Any, Path]] = field(default_factory=dict)
    words: dict[Any, tuple[Any, Path]] = field(default_factory=dict)

    def learn(self, folder: Path, keys: Sequence[Key], labels: Sequence[Any]) -> None:
        """Take the labels and the words of a run as true, of what it trained on too: others may hold that out."""
        self.labels.update((key, (label, folder)) for key, label in zip(keys, labels, strict=True))
        self.words.update((key[0], (key[1], folder)) for key in keys)

    def check_dev(self, folder: Path, dev: _Read) -> None:
        """Refuse a run that has other words or another label of a row, and remember what it has."""
        for key, label in zip(dev.keys, dev.labels, strict=True):
            words, other = self.words.setdefault(key[0], (key[1], folder))
            if words != key[1]:
                raise UsageError(
                    f"{folder} and {other} do not have the same dev: the words of '{key[0]}' are others. Tune them on "
                    "one corpus."
                )
            true, other = self.labels.setdefault(key, (label, folder))
            if true != label:
                raise UsageError(
                    f"{folder} and {other} do not agree on what is true: of dev '{key[0]}' is '{label}' for one and "
                    f"'{true}' for the other."
                )


def gather_members(runs: Sequence[Path], *, corpus: Any = None, probes: Any = (), device: str = "auto") -> Gathered:
    """Open runs one after the other, and ask each of its dev and of test.

    Parameters
    ----------
    runs : sequence of Path
        Two or more.
    corpus : anything :func:`~probekit.corpus.open_corpus` takes, optional
        Where the rows are now that they were trained on.
    probes : path or sequence of paths
        Folders of your own tasks.
    device : {"auto", "cpu", "cuda", "mps"}

    Raises
    ------
    UsageError
        They are fewer than two, one is named twice, they have not the same task, labels or test rows, or do not agree
        on the words or the label of a row of dev.
    CacheError
        One is not complete, or its rows are no longer what they were.
    """
    if len(runs) < 2:
        raise UsageError(f"An ensemble is made of two runs or more. Got {len(runs)}.")
    members: list[Member] = []
    read: list[dict[str, _Read]] = []
    first: TuningData | None = None
    record: dict[str, Any] = {}
    known = _Known()
    for folder, name in zip(runs, _names(runs), strict=True):
        digest = digest_of_run(folder)
        if twin := next((one for one in members if one.digest == digest), None):
            raise UsageError(f"{folder} is the same run as {twin.folder}. Name each member once.")
        model = TunedModel.open(folder, probes=probes, device=device)
        record = record or model.record
        check_alike(folder, model.record, runs[0], record)
        data = rows_of(folder, model.record, model.task, model.network.loaded, corpus, option="--corpus CORPUS")
        if first is None:
            first = data
            known.learn(folder, keys_of(data, np.arange(len(data.table))), list(data.table.labels))
        members.append(_member(folder, name, digest, model, len(data.training)))
        read.append({split: _asked(model, data, split, first.classes) for split in HELD})
        _check_test(folder, runs[0], read[-1]["test"], read[0]["test"])
        known.check_dev(folder, read[-1]["dev"])
    assert first is not None
    return _aligned(tuple(members), first, read)


def _names(runs: Sequence[Path]) -> list[str]:
    """Return what tells folders apart: the last parts of their paths that differ."""
    parts = [run.absolute().parts for run in runs]
    most = max(map(len, parts))
    for count in range(1, most + 1):
        names = ["/".join(own[-count:]) for own in parts]
        if len(set(names)) == len(names):
            return names
    return [str(run) for run in runs]


def _member(folder: Path, name: str, digest: str, model: TunedModel, trained_on: int) -> Member:
    report = LayerReport.read(folder / REPORT)
    rows = report.select("tuned", split="dev", metric=report.metric)
    cost = model.record["cost"]
    dev = float(rows[0].value or 0.0)
    return Member(folder.absolute(), name, digest, dev, float(cost["seconds"]), trained_on, int(cost["run"]))


def _asked(model: TunedModel, data: TuningData, split: str, classes: Sequence[str]) -> _Read:
    rows = np.arange(*data.table.part(split).indices(len(data.table))[:2])
    said = in_order(model.says(data, data.examples(split)), data.classes, classes)
    labels = [data.table.labels[row] for row in rows]
    return _Read(keys_of(data, rows), labels, said, list(data.notes))


def _check_test(folder: Path, first: Path, now: _Read, before: _Read) -> None:
    if now.keys != before.keys:
        odd = set(now.keys) ^ set(before.keys)
        name = min((key[0] for key in odd), default=None)
        both = all(any(key[0] == name for key in keys) for keys in (now.keys, before.keys))
        differs = f"the words or the targets of '{name}' are others" if both else f"'{name}' is in one of both"
        example = f": {differs}" if odd else ", in another order"
        raise UsageError(
            f"Runs that answer together have the same test rows. {folder} has {len(now.keys):,}, {first} "
            f"{len(before.keys):,}{example}. Tune them on one corpus, with the same --overflow and --max-length."
        )
    if wrong := next(
        (at for at, pair in enumerate(zip(now.labels, before.labels, strict=True)) if len({*pair}) > 1), None
    ):
        raise UsageError(
            f"{folder} and {first} do not agree on what is true: of test '{now.keys[wrong][0]}' is "
            f"'{now.labels[wrong]}' for one and '{before.labels[wrong]}' for the other."
        )


def _aligned(members: tuple[Member, ...], first: TuningData, read: list[dict[str, _Read]]) -> Gathered:
    """Bring what was said into one order, over the rows of dev that all held out, or each for itself."""
    places = [{key: at for at, key in enumerate(one["dev"].keys)} for one in read]
    common = set(places[0]).intersection(*places[1:])
    out_of_fold = not common
    wanted = common or set(places[0]).union(*places[1:])
    everyone = set(places[0]).union(*places[1:])
    examples = {key[0] for key in wanted}
    split = np.full(len(first.words), -1, np.int8)
    split[first.examples("test")] = SPLITS.index("test")
    there = [example for example, name in enumerate(first.table.ids) if name in examples]
    split[there] = SPLITS.index("dev")
    data = resplit(first, split)
    scorers = {name: SplitScorer(data, name) for name in HELD}
    keys = keys_of(data, scorers["dev"].rows)
    if not set(keys) <= wanted or not keys:
        raise CacheError("The members hold out other targets of the same examples, so their dev cannot be compared.")
    shape = (len(read), len(keys), first.outputs)
    dev = np.full(shape, np.nan)
    for number, (one, place) in enumerate(zip(read, places, strict=True)):
        at = np.array([place.get(key, -1) for key in keys])
        dev[number, at >= 0] = one["dev"].said[at[at >= 0]]
    notes = [note for note in first.notes if all(note in one["dev"].notes for one in read)]
    if out_of_fold:
        notes.append(
            f"No row of dev was held out from all members: {len(keys):,} rows are asked of those members that held "
            "them out. So no weights can be chosen, and the temperature is that of members by themselves, who are less "
            "sure together."
        )
    elif len(everyone) > len(keys):
        notes.append(f"Dev has the {len(keys):,} of {len(everyone):,} rows that were held out from all members.")
    said = {"dev": dev, "test": np.stack([one["test"].said for one in read])}
    return Gathered(members, scorers, said, out_of_fold, _guess(first), notes)


def _guess(data: TuningData) -> tuple[str, float]:
    train = data.gold[data.table.part("train")]
    if data.targets == "numbers":
        return "mean", float(train.mean())
    codes, counts = np.unique(train[train >= 0], return_counts=True)
    return "majority", float(codes[counts.argmax()])
