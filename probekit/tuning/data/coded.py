"""The targets of a corpus as a run knows them: its labels, its bins, what was too rare for it.

Enters: the record of a run, a task, the tokens of a corpus. Leaves: a :class:`~probekit.tuning.data.data.TuningData`
whose codes are those of the run's head. Nothing is trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import InputError
from probekit.features import in_bins, without_labels
from probekit.features.labels import UNSEEN
from probekit.features.places import collect_placed
from probekit.features.pooling import Pooler
from probekit.tasks import ProbeTask
from probekit.tuning.data.data import TuningData, ordinals, placed, places, rare_note
from probekit.tuning.data.reading import ReadTokens


def coded(
    asked: Mapping[str, Any],
    task: ProbeTask,
    read: ReadTokens,
    *,
    corpus: str,
    collecting: ProbeTask | None = None,
    at: str | None = None,
) -> TuningData:
    """Lay out the targets of a corpus over its tokens, coded as a run codes them.

    Parameters
    ----------
    asked : mapping
        The record of the run.
    task : ProbeTask
        Of the run.
    read : ReadTokens
    corpus : str
        Its name.
    collecting : ProbeTask, optional
        What gives targets without labels, where the corpus does not label them.
    at : str, optional
        The position at which examples are read.

    Raises
    ------
    InputError
        There is no target, or the corpus lacks an annotation.
    """
    where, labelled, rare = f"the corpus '{corpus}'", collecting is None, set(asked.get("rare", ()))
    collected, said = collect_placed(collecting or task, placed(at), read.examples, where=where)
    everything, left_out = without_labels(collected, {one for one in collected.labels if str(one) in rare})
    notes = [*read.notes, *said, *([rare_note(left_out)] if left_out else [])]
    if not len(everything):
        raise InputError(f"There is nothing to predict in {where}. {' '.join(notes)}".strip())
    table = Pooler(read.index, everything).table
    classes, targets = tuple(asked["classes"]), asked["targets"]
    edges = np.array(asked.get("edges", ()), np.float64)
    if labelled and len(edges) and targets == "labels":
        labels = in_bins(np.array(table.labels, np.float64), edges)
    else:
        labels = [str(label) for label in table.labels]
    gold: NDArray[Any]
    if targets == "numbers":
        gold = np.array(table.labels if labelled else np.zeros(len(table)), np.float64)
    else:
        number = {label: code for code, label in enumerate(classes)}
        gold = np.array([number.get(label, UNSEEN) for label in labels], np.int32)
    return TuningData(
        task=task,
        corpus=corpus,
        table=table,
        targets=targets,
        classes=classes,
        labels=labels,
        gold=gold,
        originals=read.examples,
        index=read.index,
        textless=read.textless,
        training=ordinals(table, "train"),
        notes=notes,
        rare=tuple(asked.get("rare", ())),
        edges=tuple(edges.tolist()),
        at=at,
        reading=read.how,
        **places(read.index, table, len(read.examples)),
    )
