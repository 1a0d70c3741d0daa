"""Other parts for the same targets: which examples train, which choose, which report.

Enters: laid out targets, the part that each example is to be in. Leaves: the same targets, sorted anew. Folds cut what
is train and dev in as many parts of whole documents: each in turn is dev, the others train, and test stays what it was.
Surprise: the folds depend on the documents and their number alone, on no seed, so that runs of the same folds agree on
which example was held out from which, and labels are those of train and dev together, the same in all folds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from probekit.errors import InputError, UsageError
from probekit.example import SPLITS
from probekit.features.labels import UNSEEN, LabelCodes, code_labels, label_notes
from probekit.tuning.data.data import TARGETS, TuningData, ordinals, places
from probekit.tuning.reasons import Reason

TRAIN, DEV = SPLITS.index("train"), SPLITS.index("dev")
CHOSEN = (("the strength of what is held close", "close", "strengths"), ("slices", "slices", "p"))
"""What may be chosen before a run: in words, the field of the plan, the evidence of that choice."""
OUT_OF_FOLD = "training_folds"
"""Evidence of what was chosen on training, each row by a run of another of so many folds of it; without it on dev."""


def folded(data: TuningData, fold: int, folds: int) -> TuningData:
    """Hold one fold of train and dev out as dev, and train on the others.

    Parameters
    ----------
    data : TuningData
    fold : int
        From 1 to ``folds``.
    folds : int
        Two or more.

    Raises
    ------
    UsageError
        There are fewer than two folds, or none of this number; the task is language modelling.
    InputError
        There are fewer documents than folds.
    """
    if folds < 2 or not 1 <= fold <= folds:
        raise UsageError(f"Folds are two or more, and one of them is held out. Got fold {fold} of {folds}.")
    if data.targets not in TARGETS:
        raise UsageError(
            "The task 'text' is not cut into folds: its text stands as the corpus has it. Leave out folds."
        )
    split = _split_of(data)
    pool = np.flatnonzero((split == TRAIN) | (split == DEV))
    documents = [data.table.group[example] or data.table.ids[example] for example in pool]
    held = pool[fold_of(documents, folds) == fold - 1]
    split[pool] = TRAIN
    split[held] = DEV
    made = resplit(data, split)
    if data.targets == "labels":
        made = _coded_anew(data, made)
    where = f"Fold {fold} of {folds}: of {len(pool):,} examples of train and dev {len(held):,} are held out as dev"
    absent = set(range(len(made.classes))) - set(made.gold[made.table.part("train")].tolist())
    notes = [*made.notes, f"{where}, whole documents (examples where there are none)."]
    if data.targets == "labels" and absent:
        names = ", ".join(f"'{made.classes[code]}'" for code in sorted(absent))
        notes.append(f"Fold {fold} of {folds} trains on no target of {names}.")
    return replace(made, notes=notes)


def looked_at(fold: tuple[int, int] | None, why: Sequence[Reason]) -> list[str]:
    """Say what of a plan was chosen on the train or dev of the corpus, where a run is of a fold.

    Parameters
    ----------
    fold : (int, int) or None
        Which of how many.
    why : sequence of Reason
        Of the plan.
    """
    if fold is None:
        return []
    chosen: dict[str, list[str]] = {"train": [], "dev": []}
    for name, field, number in CHOSEN:
        for one in why:
            if one.field == field and number in one.evidence:
                chosen["train" if OUT_OF_FOLD in one.evidence else "dev"].append(name)
    return [
        f"Chosen on the corpus's own parts before it was cut into folds: {' and '.join(names)}. Rows of its {part} "
        "stand in training and dev of folds, so dev scores of folds may be too good by what that choice gained."
        for part, names in chosen.items()
        if names
    ]


def _coded_anew(data: TuningData, made: TuningData) -> TuningData:
    """Number the labels of all folds: those of train and dev, since a label that only dev had is trained on now."""
    stale = set(label_notes(code_labels(data.task, data.table)))
    pool = (made.table.split == TRAIN) | (made.table.split == DEV)
    classes = tuple(sorted({made.labels[row] for row in np.flatnonzero(pool).tolist()}))  # bins are all of training
    number = {name: code for code, name in enumerate(classes)}
    gold = np.array([number.get(label, UNSEEN) for label in made.labels], np.int32)
    counts = Counter(made.labels[made.table.part("train")])
    unseen = Counter(label for label, code in zip(made.labels, gold.tolist(), strict=True) if code == UNSEEN)
    said = label_notes(LabelCodes(list(classes), made.labels, gold, counts, unseen, data.edges))
    kept = [note for note in data.notes if note not in stale]
    return replace(made, classes=classes, gold=gold, notes=[*kept, *said])


def fold_of(groups: list[str], folds: int) -> NDArray[np.int64]:
    """Return the fold of each example, from 0: groups in a drawn order, each into the fold with the fewest examples.

    Raises
    ------
    InputError
        There are fewer groups than folds.
    """
    names, code, sizes = np.unique(np.array(groups, str), return_inverse=True, return_counts=True)
    if len(names) < folds:
        raise InputError(f"Train and dev have {len(names)} documents, which do not make {folds} folds. Name fewer.")
    into, filled = np.zeros(len(names), np.int64), np.zeros(folds, np.int64)
    for group in np.random.default_rng([len(names), folds]).permutation(len(names)):
        into[group] = filled.argmin()
        filled[into[group]] += sizes[group]
    return into[code]


def resplit(data: TuningData, split: NDArray[np.int8]) -> TuningData:
    """Put every example into the part that is named, -1 for none: its targets are left out.

    Parameters
    ----------
    data : TuningData
    split : int8 array [examples]
        Index into :data:`~probekit.example.SPLITS`.
    """
    own = split[data.table.example]
    order = np.lexsort((np.arange(len(own)), data.table.example, own))
    order = order[own[order] >= 0]
    table = replace(data.table.take(order), split=own[order])
    return replace(
        data,
        table=table,
        labels=[data.labels[row] for row in order] if data.labels else [],
        gold=data.gold[order],
        training=ordinals(table, "train"),
        **places(data.index, table, len(data.words)),
    )


def _split_of(data: TuningData) -> NDArray[np.int8]:
    """Return the part of every example; -1 of one without a target."""
    split = np.full(len(data.words), -1, np.int8)
    split[data.table.example] = data.table.split
    return split
