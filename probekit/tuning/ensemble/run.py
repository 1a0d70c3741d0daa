"""Make an ensemble of runs: from their folders to one that predicts as a tuned model does.

Enters: folders of complete runs. Leaves: a folder with the members by name and digest, their weights and the
temperature, and an :class:`~probekit.tuning.ensemble.report.EnsembleReport`. Nothing trains.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probekit import __version__, plain
from probekit.errors import CacheError, UsageError
from probekit.statistics.mixtures import COLDEST, HOTTEST
from probekit.storage.strict import canonical
from probekit.tuning.combined import ENSEMBLE, SCHEMA
from probekit.tuning.ensemble.choosing import Chosen, choose
from probekit.tuning.ensemble.members import Gathered, gather_members
from probekit.tuning.ensemble.report import EnsembleReport
from probekit.tuning.ensemble.rows import rows_of_ensemble
from probekit.tuning.runs.folder import RunFolder
from probekit.tuning.runs.identity import REPORT, RUN, RUNS
from probekit.tuning.weighting import get_weighting

FLATTERED = (
    "Weights, temperature and the best member are chosen on dev, so that scores on dev flatter them; test chose "
    "nothing."
)


@dataclass(frozen=True, slots=True)
class Ensembled:
    """What came of it.

    Attributes
    ----------
    folder : Path
        See :class:`~probekit.tuning.combined.TunedEnsemble`.
    report : EnsembleReport
    """

    folder: Path
    report: EnsembleReport


def ensemble(
    runs: Sequence[str | os.PathLike[str]],
    *,
    weights: str = "loss",
    corpus: Any = None,
    out: str | os.PathLike[str] | None = None,
    probes: Any = (),
    device: str = "auto",
) -> Ensembled:
    """Combine runs of one task that differ by seed, plan or fold.

    Parameters
    ----------
    runs : sequence of path
        Folders of complete runs, two or more.
    weights : str
        How much each counts, of the catalogue: ``loss``, ``greedy``, ``uniform``; chosen on dev.
    corpus : anything :func:`~probekit.corpus.open_corpus` takes, optional
        Where the rows are now that they were trained on.
    out : path, optional
        Folder of the ensemble; by default one in ``runs``, named after the task and the members.
    probes : path or sequence of paths
        Folders of your own tasks.
    device : {"auto", "cpu", "cuda", "mps"}

    Returns
    -------
    Ensembled

    Raises
    ------
    UsageError
        The runs have not the same task, labels or test rows; one is named twice.
    CacheError
        One is not complete, its rows are no longer what they were, or the folder holds something else.
    """
    get_weighting(weights)
    folders = list(plain.paths(runs, "runs"))
    place = None if out is None else plain.path(out, "out")
    _check_free(place)
    gathered = gather_members(folders, corpus=corpus, probes=probes, device=device)
    chosen = choose(gathered, weights)
    said = _document(gathered, chosen)
    key = hashlib.sha256(canonical([[one["digest"] for one in said["members"]], weights])).hexdigest()[:12]
    folder = place or RUNS / f"{gathered.data.task.name.replace(':', '-')}--ensemble--{key}"
    _check_free(folder)
    home = RunFolder(folder)
    for one in said["members"]:
        one["from_here"] = os.path.relpath(one["folder"], folder.absolute())
    report = EnsembleReport(
        tuple(rows_of_ensemble(gathered, chosen, name=folder.name)), _provenance(gathered, chosen, said)
    )
    report.write(folder / REPORT)
    home.write(ENSEMBLE, said)
    return Ensembled(folder, report)


def _check_free(folder: Path | None) -> None:
    if folder is not None and folder.is_file():
        raise UsageError(f"The `out` option must name a folder; '{folder}' is a file.")
    if folder is not None and (folder / RUN).exists():
        raise CacheError(f"{folder} holds a run. Give the ensemble a folder of its own with --out.")


def _document(gathered: Gathered, chosen: Chosen) -> dict[str, Any]:
    """Return what is kept of an ensemble."""
    members = [
        {"name": one.name, "folder": str(one.folder), "digest": one.digest, "weight": float(weight)}
        for one, weight in zip(gathered.members, chosen.weights, strict=True)
    ]
    data = gathered.data
    return {
        "schema": SCHEMA,
        "task": data.task.name,
        "targets": data.targets,
        "classes": list(data.classes),
        "weights": chosen.weighting,
        "members": members,
        "best": chosen.best,
        "temperature": chosen.temperatures.get("ensemble"),
        "probekit": __version__,
    }


def _provenance(gathered: Gathered, chosen: Chosen, said: dict[str, Any]) -> dict[str, Any]:
    data = gathered.data
    beside = [
        {**kept, "dev": one.own_dev, "seconds": one.seconds, "trained_on": one.trained_on, "parameters": one.parameters}
        for kept, one in zip(said["members"], gathered.members, strict=True)
    ]
    return {
        "task": data.task.name,
        "model": {"name": f"{len(beside)} members"},
        "corpus": {"name": data.corpus},
        "settings": {
            "metric": gathered.scorers["test"].metrics[0],
            "kind": data.counted,
            "weights": chosen.weighting,
            "probekit": __version__,
        },
        "members": beside,
        "temperatures": chosen.temperatures,
        "seconds": {"training": sum(one.seconds for one in gathered.members)},
        "notes": [*gathered.notes, *_at_an_end(chosen, len(gathered.scorers["dev"].rows)), FLATTERED],
    }


def _at_an_end(chosen: Chosen, rows: int) -> list[str]:
    """Say whose temperature is as low or as high as it was looked for."""
    names = [name for name, found in chosen.temperatures.items() if not 1.001 * COLDEST < found < HOTTEST / 1.001]
    if not names:
        return []
    return [
        f"Temperatures are looked for from {COLDEST:g} to {HOTTEST:g}; of {', '.join(names)} it is an end of these, "
        f"and dev ({rows:,} rows) would have it beyond."
    ]
