"""What the record of a cache's runs adds to it: names of special tokens, and the command that extracts attention.

Enters: a cache. Leaves: names, a command line, an error. Surprise: a cache holds ids of tokens and no names, and the
record says from where its model was read; where that folder is gone, special tokens are called by their ids.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from probekit.cache.reader import ActivationCache
from probekit.controls import control_of
from probekit.errors import UsageError
from probekit.models.sources.configs import read_json
from probekit.models.sources.locate import DEFAULT
from probekit.models.sources.static import is_static
from probekit.sites import WEIGHTS

_READING = {"input": "words", "overflow": "error", "max_length": None, "dtype": "float32"}
"""Of an identity: how the model read, which the command has to repeat; with what it is by default."""


def no_weights(cache: ActivationCache) -> UsageError:
    """Return the error of a cache without attention weights, with the command that extracts them."""
    name = str(cache.model["name"])
    if is_static(name):
        return UsageError(
            f"{cache.path.name} holds no attention weights, and '{name}' has none: its vectors are looked up. Extract "
            f"a model with --sites {WEIGHTS}."
        )
    return UsageError(f"{cache.path.name} holds no attention weights. Extract them with: {extract_command(cache)}")


def extract_command(cache: ActivationCache) -> str:
    """Return what to type to have the attention weights of the same model over the same corpus."""
    name, identity = str(cache.model["name"]), cache.identity
    folder = None if name == DEFAULT else model_folder(cache)
    words = ["probekit", "extract", name if folder is None else str(folder), _corpus(cache), "--sites", WEIGHTS]
    if (revision := cache.model.get("revision")) and folder is None:
        words += ["--revision", str(revision)]
    if (control := control_of(cache.model)) is not None:
        words += [f"--{control.kind}", str(control.seed)]
    if identity.get("edits"):  # their files are known by digests alone
        words += ["--edits", "EDITS"]
    for option, default in _READING.items():
        value = identity.get(option, default)
        if option == "overflow" and value == "window":  # weights over windows are weights over no sentence
            value = "truncate"
        if value != default:
            words += [f"--{option.replace('_', '-')}", str(value)]
    return shlex.join(words)


def _corpus(cache: ActivationCache) -> str:
    """Return what names the corpus; ``CORPUS`` of one that was made in memory."""
    source = cache.source
    if source is None:
        return "CORPUS"
    if source.locations:
        return source.locations[0] if len(source.locations) == 1 else str(Path(source.locations[0]).parent)
    options = ",".join(f"{name}={value}" for name, value in source.options.items() if name != "name")
    return f"{source.kind}:{options}" if options else source.kind


def model_folder(cache: ActivationCache) -> Path | None:
    """Return the folder that the last run read the model from; None where it is gone, or not on record."""
    for path in sorted((cache.path / "runs").glob("[0-9]*.json"), reverse=True):
        record = _read(path) or {}
        file = record.get("model")
        if isinstance(file, str) and Path(file).is_file():
            return Path(file).parent
    return None


def special_names(cache: ActivationCache) -> Mapping[int, str]:
    """Return how special tokens are spelled, ``{101: "[CLS]"}``, by the tokenizer's file; empty where it is gone."""
    folder = model_folder(cache)
    if folder is None:
        return {}
    added = (_read(folder / "tokenizer.json") or {}).get("added_tokens")
    found = {entry.get("id"): entry.get("content") for entry in added or () if isinstance(entry, dict)}
    return {ident: name for ident, name in found.items() if type(ident) is int and isinstance(name, str) and name}


def _read(path: Path) -> dict[str, Any] | None:
    """Return the object in a file; None where there is none: nothing is missed but a name."""
    try:
        return read_json(path)
    except (UsageError, OSError):
        return None
