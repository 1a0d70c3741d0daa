"""Whether the errors that a run made on dev say anything: it reads as this one does, and did not train on these rows.

Enters: the folder of a complete run, and what slices are looked for in. Leaves: what is to be said, or a refusal.
Surprise: the rows that the run trained on are read again from where it had them, since folds of one corpus train on
each other's dev; where they are not found that is said.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from probekit.corpus import Corpus
from probekit.errors import ProbekitError, UsageError
from probekit.extraction.opening import limit_of
from probekit.tuning.data.data import TuningData
from probekit.tuning.data.materials import Materials
from probekit.tuning.data.reading import reading_of
from probekit.tuning.plan import TunePlan
from probekit.tuning.runs.folder import RunFolder
from probekit.tuning.runs.identity import PLAN, READ_FROM, complete_record
from probekit.tuning.runs.source import rows_of


def check_held_out(folder: Path, materials: Materials, data: TuningData, dev: NDArray[np.int64]) -> list[str]:
    """Refuse a run whose errors on dev say nothing here; return what is not known of it.

    Parameters
    ----------
    folder : Path
        Of the run.
    materials : Materials
    data : TuningData
        Of this run.
    dev : int64 array
        Ordinals of its dev examples.

    Raises
    ------
    UsageError
        The run is of another task, model, position or reading, knows other labels, or trained on some of these rows.
    CacheError
        It is not complete.
    """
    record = complete_record(RunFolder(folder, writes=False))
    plan, own = TunePlan.read_file(folder / PLAN), reading_of(materials.read_from)
    its = reading_of(record.get(READ_FROM))
    if record["task"] != data.task.name or tuple(record["classes"]) != data.classes:
        raise _useless(folder, f"is of '{record['task']}' with other labels or on another corpus", data)
    if plan.model.digest != materials.facts.digest:
        raise _useless(folder, f"is of another model ('{plan.model.name}', not '{materials.facts.name}')", data)
    if plan.read.at != data.at:
        places = " and not ".join(f"at '{at}'" if at else "at its targets" for at in (plan.read.at, data.at))
        raise _useless(folder, f"reads examples {places}", data)
    limits = [limit_of(materials.loaded, how) for how in (its, own)]
    for name in ("input", "template", "max_length"):
        if getattr(its, name) != getattr(own, name) and (name != "max_length" or limits[0] != limits[1]):
            raise _useless(
                folder, f"reads texts with {name} {getattr(its, name)!r:.40}, not {getattr(own, name)!r:.40}", data
            )
    if record["data"] == data.digest:
        return []
    elsewhere = (record.get(READ_FROM) or {}).get("corpus") is not None
    instead = None if elsewhere else Corpus.from_examples(list(data.originals), name=data.corpus)
    try:
        rows = rows_of(folder, record, data.task, materials.loaded, instead, option="--corpus CORPUS")
    except ProbekitError as error:
        return [f"It is not known whether the run in {folder} trained on rows of this dev: {error}"]
    trained = {(rows.table.ids[example], tuple(rows.words[example])) for example in rows.training.tolist()}
    seen = [data.table.ids[at] for at in dev.tolist() if (data.table.ids[at], tuple(data.words[at])) in trained]
    if seen:
        raise _useless(folder, f"trained on {len(seen):,} of the {len(dev):,} dev examples ('{seen[0]}')", data)
    return []


def _useless(folder: Path, why: str, data: TuningData) -> UsageError:
    return UsageError(
        f"The run in {folder} {why}; its errors say nothing of '{data.task.name}' here. Name a run of this task, model "
        "and corpus (errors:run=FOLDER), or leave out run=."
    )
