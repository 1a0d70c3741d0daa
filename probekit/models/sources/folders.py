"""Folders that hold a model a step further down, or hold something that only looks like one.

Enters: a folder that a person named. Leaves: the folder of the model and what must be said of the choice, or a refusal
that names the folder or the command that helps. A step is only taken where the folder itself says which: by
``refs/main`` of the hub's cache, or by ``modules.json`` of sentence-transformers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probekit.errors import UsageError
from probekit.storage.files import is_pointer

SHOWN = 5
TASKS = {
    "CAUSAL_LM": "ForCausalLM",
    "SEQ_2_SEQ_LM": "ForSeq2SeqLM",
    "SEQ_CLS": "ForSequenceClassification",
    "TOKEN_CLS": "ForTokenClassification",
    "QUESTION_ANS": "ForQuestionAnswering",
    "FEATURE_EXTRACTION": "ForFeatureExtraction",
}
"""What peft calls the model under an adapter, by the ``task_type`` of its config."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """The folder of a model.

    Attributes
    ----------
    folder : Path
    revision : str or None
        The commit on the hub that its place tells.
    remarks : tuple of str
        What must be said of the choice.
    """

    folder: Path
    revision: str | None = None
    remarks: tuple[str, ...] = ()


def model_folder(folder: Path) -> ModelFolder:
    """Go down from a folder of the hub's cache, or of sentence-transformers, to that of the model.

    Raises
    ------
    UsageError
        Several models are there and nothing says which.
    """
    if (folder / "config.json").exists():
        return ModelFolder(folder)
    if (folder / "snapshots").is_dir():
        return _snapshot(folder)
    if (folder / "modules.json").is_file():
        return _first_module(folder)
    return ModelFolder(folder)


def refuse_pointers(folder: Path, names: Iterable[str]) -> None:
    """Refuse files that Git LFS has left as pointers to the real ones.

    Raises
    ------
    UsageError
    """
    weights = sorted(path.name for path in folder.glob("*.safetensors"))
    pointers = [name for name in dict.fromkeys([*weights, *names]) if is_pointer(folder / name)]
    if pointers:
        what = "is a pointer" if len(pointers) == 1 else "are pointers"
        raise UsageError(
            f"{_listed(pointers)} in {folder} {what} of Git LFS to what should be there. Fetch it: "
            f"git -C {folder} lfs install --local, then git -C {folder} lfs pull."
        )


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter of peft."""
    return (folder / "adapter_config.json").exists()


def no_model(folder: Path) -> UsageError:
    """Say what a folder without a config.json is, or where below it models are."""
    if (folder / "run.json").is_file() and (folder / "delta.safetensors").is_file():
        return UsageError(
            f"{folder} is a run that was saved as what differs from its model (modules in blocks, or --save delta), "
            "which is no model by itself. `probekit predict` reads it; tune blocks with --save whole to have a model."
        )
    below = sorted(path.parent.name for path in folder.glob("*/config.json"))
    if below:
        return UsageError(
            f"{folder} is no model folder: it has no config.json. Name one of its folders: {_listed(below)}."
        )
    return UsageError(f"{folder} is no model folder: it has no config.json. Give one that save_pretrained wrote.")


def merging_advice(folder: Path) -> UsageError:
    """Say how the adapter in a folder becomes a model."""
    settings = _read(folder / "adapter_config.json")
    settings = settings if isinstance(settings, dict) else {}
    base = settings.get("base_model_name_or_path")
    base = base if isinstance(base, str) and base else None
    whole = f"AutoPeftModel{TASKS.get(str(settings.get('task_type')), 'ForFeatureExtraction')}"
    return UsageError(
        f"{folder} holds an adapter{f' of {base!r}' if base else ''} (adapter_config.json), which is no model by "
        f"itself: merge it into its model first. In Python, with peft: {whole}.from_pretrained({str(folder)!r})"
        f".merge_and_unload().save_pretrained('merged'), and AutoTokenizer.from_pretrained({base or 'MODEL'!r})"
        ".save_pretrained('merged'). Then name the folder 'merged'."
    )


def _snapshot(folder: Path) -> ModelFolder:
    snapshots = sorted(path.parent.name for path in (folder / "snapshots").glob("*/config.json"))
    try:
        main = (folder / "refs" / "main").read_text(encoding="utf-8")[:100].strip()
    except (OSError, ValueError):
        main = ""
    chosen = main if main in snapshots else snapshots[0] if len(snapshots) == 1 and not main else None
    if chosen is None:
        why = f"refs/main names {main}, which is not there" if main else "nothing says which (no refs/main)"
        have = f"Name one of {_listed([f'snapshots/{name}' for name in snapshots])}" if snapshots else "Fetch the model"
        raise UsageError(f"{folder} is a folder of the hub's cache, and {why}. {have}{'' if snapshots else ' again'}.")
    others = len(snapshots) - 1
    beside = f"; {others} other{'s are' if others > 1 else ' is'} beside it" if others else ""
    which = "named by its refs/main" if main else "the only one"
    return ModelFolder(
        folder / "snapshots" / chosen,
        chosen,
        (f"{folder} is a folder of the hub's cache: snapshots/{chosen} is read, {which}{beside}.",),
    )


def _first_module(folder: Path) -> ModelFolder:
    listed = _read(folder / "modules.json")
    parts = [part for part in listed if isinstance(part, dict)] if isinstance(listed, list) else []
    named = [path for part in parts if isinstance(path := part.get("path"), str) and Path(path).name == path]
    models = [path for path in named if path and (folder / path / "config.json").is_file() and _is_model(folder / path)]
    if len(models) != 1:
        return ModelFolder(folder)
    rest = _listed([path for path in named if path and path != models[0]]) or "nothing"
    return ModelFolder(
        folder / models[0],
        remarks=(f"{folder} is a folder of sentence-transformers: its model {models[0]} is read; not read: {rest}.",),
    )


def _is_model(folder: Path) -> bool:
    """Whether a module is a transformers model: pooling and dense layers have a config.json too."""
    config = _read(folder / "config.json")
    return isinstance(config, dict) and isinstance(config.get("model_type"), str)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _listed(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", .." if len(names) > SHOWN else "")
