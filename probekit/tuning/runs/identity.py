"""What makes two runs the same run: the record in a run's folder, and whose the folder is.

Enters: what a run was asked for. Leaves: plain data, and the word whether a folder is free, this run's, or another's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from probekit import __version__
from probekit.corpus.notes import list_names
from probekit.errors import CacheError, UsageError
from probekit.storage.strict import canonical
from probekit.tuning.corpora import digests_of
from probekit.tuning.data.data import TuningData
from probekit.tuning.data.materials import Materials
from probekit.tuning.data.sliced import memberships
from probekit.tuning.plan import TunePlan
from probekit.tuning.planning.editing import differences
from probekit.tuning.runs.folder import LOG, RunFolder
from probekit.tuning.runs.saving import HEAD

SCHEMA = "probekit.run/1"
RUNS = Path("runs")
WHERE, READ_FROM = "model_folder", "read_from"
"""Fields of the record that are no part of what makes two runs the same run."""
FOLD = "fold"
"""Which fold of how many was held out; runs on the parts of the corpus have no such field."""
ADDED = ("modules", "close", "signals", "first", "slices")
FIRST = "first"
"""Folder, in that of a run, of the runs of stages before it."""
OTHERS = "other_corpora"
MODEL_FILES = ("config.json", "model.safetensors", "pytorch_model.bin")
RUN, PLAN, REPORT, CERTIFICATE = (
    "run.json",
    "plan.json",
    "report.jsonl",
    "certificate.json",
)


def identity_of(
    materials: Materials,
    data: TuningData,
    plan: TunePlan,
    examples: int | None,
    save: str,
    *,
    learned_from: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what makes two runs the same run; `learned_from` are the digests of what signals name.

    Raises
    ------
    UsageError, InputError
        The plan names another corpus, and it is not there.
    """
    others = digests_of(plan)
    folds: dict[str, Any] = {} if materials.fold is None else {FOLD: list(materials.fold)}
    if learned_from:
        folds["learned_from"] = list(learned_from)
    return {
        "schema": SCHEMA,
        **model_of(materials),
        READ_FROM: dict(materials.read_from),
        "corpus": data.corpus,
        "task": data.task.name,
        "targets": data.targets,
        "kind": data.task.kind,
        "classes": list(data.classes),
        "rare": list(data.rare),
        "edges": list(data.edges),
        "scale": [data.centre, data.spread] if data.targets == "numbers" else None,
        "examples": examples,
        **folds,
        "save": save,
        "data": data.digest,
        **_sliced(data, plan),
        "plan": {**_said(plan), "model": {"name": plan.model.name, "digest": plan.model.digest}},
        "probekit": __version__,
        **({OTHERS: others} if others else {}),
    }


def model_of(materials: Materials) -> dict[str, Any]:
    """Return the part of it that is about the model that a run starts from; a cache is of no other."""
    cache = materials.cache
    return {
        "model": {"name": materials.facts.name, "digest": materials.facts.digest},
        WHERE: materials.model_folder,
        "cache": None if cache is None else str(cache.path),
    }


def _sliced(data: TuningData, plan: TunePlan) -> dict[str, str]:
    """Return a digest of which targets are in which slice, where the plan has slices: they read columns too."""
    masks = memberships(data, plan.slices).masks
    return {"slices": hashlib.sha256(np.packbits(masks).tobytes()).hexdigest()} if plan.slices else {}


def _said(plan: TunePlan) -> dict[str, Any]:
    """Return a plan without the lists that are empty: runs of before there were such lists are the same runs."""
    return {name: value for name, value in plan.to_json().items() if value != [] or name not in ADDED}


def run_folder(asked: dict[str, Any], home: Path = RUNS) -> Path:
    """Return the folder of a run that nobody named: the same plan on the same targets gives the same."""
    key = hashlib.sha256(canonical({name: asked[name] for name in ("plan", "data", "examples")})).hexdigest()[:12]
    return home / f"{asked['task'].replace(':', '-')}--{asked['model']['name'].rpartition('/')[2]}--{key}"


def claim(run: RunFolder, asked: dict[str, Any]) -> dict[str, Any] | None:
    """Take a folder for a run, or find it to be that run already; return the record of one that is complete.

    Raises
    ------
    CacheError
        It holds another run, whose first difference is named.
    """
    found = run.read(RUN)
    if found is not None:
        _check_same(run.path, found, asked)
        if found.get("complete"):
            return found
    elif there := [name for name in (*MODEL_FILES, REPORT, CERTIFICATE, LOG, HEAD) if (run.path / name).exists()]:
        raise CacheError(
            f"{run.path} is not the folder of a run, and holds {', '.join(there)}, which a run would write over. Give "
            "it a folder of its own with --out."
        )
    run.write(RUN, {**asked, "complete": False})
    return None


def check_free(folder: Path, asked: dict[str, Any]) -> None:
    """Refuse the folder of another run before the stages run that come first; the model is looked at behind them.

    Raises
    ------
    CacheError
    """
    found = RunFolder(folder, writes=False).read(RUN)
    if found is not None:
        later = ("model", "cache")
        _check_same(folder, found, {name: value for name, value in asked.items() if name not in later})


def _check_same(folder: Path, found: dict[str, Any], asked: dict[str, Any]) -> None:
    for name, value in asked.items():
        if name not in (WHERE, READ_FROM) and found.get(name) != value:
            raise CacheError(
                f"{folder} holds another run: {_difference(name, found.get(name), value)}. Give this run a folder of "
                "its own with --out."
            )


def complete_record(run: RunFolder) -> dict[str, Any]:
    """Return the record of a run that is complete.

    Raises
    ------
    UsageError
        No run is there.
    CacheError
        It is not complete.
    """
    asked = run.read(RUN)
    if asked is None:
        raise UsageError(
            f"{run.path} is no run of `probekit tune`: it has no {RUN}. Name a folder that it printed as `run`."
        )
    if not asked.get("complete"):
        raise CacheError(f"The run in {run.path} is not complete: run the same `probekit tune` command again.")
    return asked


def _difference(name: str, before: Any, now: Any) -> str:
    """Say in which field of the record two runs differ, and how."""
    if name == "plan" and isinstance(before, dict):
        return f"its plan has {'; '.join(differences(before, now))[:300] or 'other reasons'}"
    if name == OTHERS:
        names = [one for one in {**(before or {}), **now} if (before or {}).get(one) != now.get(one)]
        return f"what is in {list_names(names)} was something else, or is not on its record"
    if name == "data":
        return "the tokens, targets or splits that it trained on are not these"
    if isinstance(before, list) and isinstance(now, list):
        gone, come = ([str(one) for one in a if one not in b] for a, b in ((before, now), (now, before)))
        return f"its {name} have {list_names(gone) or 'nothing'} for {list_names(come) or 'nothing'}"
    return f"its {name} is {before!r:.80}, not {now!r:.80}"
