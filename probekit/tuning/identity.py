"""What makes two runs the same run: the record in a run's folder, and whose the folder is.

Enters: what a run was asked for. Leaves: plain data, and the word whether a folder is free, this run's, or another's.
"""

from __future__ import annotations

from typing import Any

from probekit import __version__
from probekit.errors import CacheError
from probekit.tuning.data import TuningData
from probekit.tuning.folder import LOG, RunFolder
from probekit.tuning.materials import Materials
from probekit.tuning.plan import TunePlan
from probekit.tuning.saving import HEAD

SCHEMA = "probekit.run/1"
WHERE = "model_folder"
"""Field of the record that is no part of what makes two runs the same run."""
MODEL_FILES = ("config.json", "model.safetensors", "pytorch_model.bin")
RUN, PLAN, REPORT, CERTIFICATE = (
    "run.json",
    "plan.json",
    "report.jsonl",
    "certificate.json",
)


def identity_of(
    materials: Materials, data: TuningData, plan: TunePlan, examples: int | None, save: str
) -> dict[str, Any]:
    """Return what makes two runs the same run."""
    cache = materials.cache
    return {
        "schema": SCHEMA,
        "model": {"name": materials.facts.name, "digest": materials.facts.digest},
        WHERE: str(materials.loaded.source.files()[0].parent.absolute()),
        "corpus": data.corpus,
        "data": data.digest,
        "task": data.task.name,
        "targets": data.targets,
        "kind": data.task.kind,
        "classes": list(data.classes),
        "scale": [data.centre, data.spread] if data.targets == "numbers" else None,
        "examples": examples,
        "save": save,
        "cache": None if cache is None else str(cache.path),
        "plan": plan.to_json(),
        "probekit": __version__,
    }


def claim(run: RunFolder, asked: dict[str, Any]) -> dict[str, Any] | None:
    """Take a folder for a run, or find it to be that run already; return the record of one that is complete.

    Raises
    ------
    CacheError
        It holds another run, whose first difference is named.
    """
    found = run.read(RUN)
    if found is not None:
        for name, value in asked.items():
            if name != WHERE and found.get(name) != value:
                raise CacheError(
                    f"{run.path} holds another run: its {name} is {found.get(name)!r:.80}, not {value!r:.80}. Give "
                    "this run a folder of its own with --out."
                )
        if found.get("complete"):
            return found
    elif there := [name for name in (*MODEL_FILES, REPORT, CERTIFICATE, LOG, HEAD) if (run.path / name).exists()]:
        raise CacheError(
            f"{run.path} is not the folder of a run, and holds {', '.join(there)}, which a run would write over. Give "
            "it a folder of its own with --out."
        )
    run.write(RUN, {**asked, "complete": False})
    return None
