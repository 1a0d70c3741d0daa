"""What a MODEL can be: a transformers model, or a table of vectors behind ``static:``.

Enters: what the user typed. Leaves: a :class:`ModelSource`, which knows its digests and can load itself. Nothing here
imports torch; a source does, when it is loaded. A folder is called by its own name, whatever path led to it, and a
snapshot in the hub's cache by its name on the hub: one model has one name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from probekit.cache.format.names import resolved_name
from probekit.controls import Control
from probekit.devices import DeviceMap
from probekit.errors import CacheError, NetworkError, UsageError
from probekit.model_names import STATIC
from probekit.models.sources.digests import stamp
from probekit.models.sources.locate import DEFAULT, HUB_NAME, locate
from probekit.models.sources.static import InputTable, is_static, named_path, static_source
from probekit.storage.strict import parse_object

if TYPE_CHECKING:
    from probekit.cache.reader import ActivationCache
    from probekit.models.sources.load import LoadedModel

_OF_HUB = re.compile(r".*/models--([^/]+?)(?:/snapshots/([0-9a-f]{40}))?")
"""Where the hub's cache keeps ``owner/name`` (as ``owner--name``), all of it or one commit."""


class ModelSource(Protocol):
    """A model's files, whatever they are; see :class:`~probekit.models.sources.locate.TransformersSource`."""

    @property
    def name(self) -> str:
        """The one name of the model: of a folder its own name, of the hub that on the hub."""

    @property
    def revision(self) -> str | None:
        """Commit on the hub, where it came from there."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What must be said of how its files were found."""

    def digests(self) -> dict[str, str]:
        """Return sha256 digests: ``weights``, ``config``, ``tokenizer``."""

    def files(self) -> list[Path]:
        """Return the files that the digests are of."""

    def load(
        self,
        *,
        dtype: str = "float32",
        device: str | DeviceMap = "auto",
        control: Control | None = None,
        attention: str | None = None,
    ) -> LoadedModel:
        """Load it; see :func:`probekit.models.sources.load.load`."""


def find_model(model: str | Path | None = None, *, revision: str | None = None) -> ModelSource:
    """Find what a MODEL names.

    Parameters
    ----------
    model : str, Path or None
        What :func:`~probekit.models.sources.locate.locate` takes, or ``static:`` and a file of word vectors, or
        ``static:`` and the name of such a model: its input embeddings alone.
    revision : str or None
        Branch, tag or commit, for names on the hub.

    Returns
    -------
    ModelSource

    Raises
    ------
    UsageError, NetworkError
        See :func:`~probekit.models.sources.locate.locate`.
    """
    typed = DEFAULT if model is None else str(model)
    name, commit = _name_and_commit(typed)
    if not is_static(typed):
        found = locate(model, revision=revision)
        return replace(found, name=name, revision=commit or found.revision)
    table = static_source(typed, revision=revision)
    if isinstance(table, InputTable) and commit:
        table = replace(table, model=replace(table.model, revision=commit))
    return replace(table, name=name)


def find_again(name: str, folder: str | None, *, made: str) -> tuple[ModelSource, list[str]]:
    """Find the model that something on disk was made from: in the folder that it has on record, else by its name.

    Parameters
    ----------
    name : str
        What the model is called there, and goes on being called.
    folder : str or None
        Of its files; None: there is no record.
    made : str
        What was made from it, for messages: ``the cache X``.

    Returns
    -------
    source : ModelSource
    remarks : list of str
        Where it was found, if its name alone does not say that.

    Raises
    ------
    UsageError, NetworkError
        It is neither there nor found by its name; both are named.
    """
    if folder is not None and os.path.isdir(folder) and not is_static(name):
        source = replace(locate(folder), name=name)
        bundled = name == DEFAULT
        return source, [] if bundled else [f"The model '{name}' is read from {folder}, from where {made} was made."]
    try:
        return find_model(name), []
    except (UsageError, NetworkError) as error:
        record = f"is no more in {folder}" if folder else "has no folder on record"
        raise type(error)(
            f"The model '{name}', which {made} was made from, {record}, and no other of this name is found. Say where "
            f"it is with --model. {error}"
        ) from error


def find_of_cache(cache: ActivationCache) -> tuple[ModelSource, list[str]]:
    """Find the model that a cache was made by, where its last run read it, else by its name; see :func:`find_again`."""
    files = [file for run in runs_of(cache) if isinstance(file := run.get("model"), str)]
    return find_again(cache.model["name"], str(Path(files[-1]).parent) if files else None, made=cache.path.name)


def runs_of(cache: ActivationCache) -> list[dict[str, Any]]:
    """Return the records of the runs that made a cache, the first one first."""
    return [parse_object(file.read_bytes(), file) for file in sorted(cache.path.glob("runs/*.json"))]


def source_name(model: str) -> str:
    """Return the one name of what a MODEL says, whether or not it is there; nothing is opened."""
    return _name_and_commit(model)[0]


def _name_and_commit(model: str) -> tuple[str, str | None]:
    path, before = named_path(model), STATIC if is_static(model) else ""
    if not os.path.exists(path):
        return model, None
    whole = os.path.realpath(path)
    if (kept := _OF_HUB.fullmatch(whole)) and (kept[2] or os.path.isdir(os.path.join(whole, "snapshots"))):
        return before + kept[1].replace("--", "/"), kept[2]
    return before + resolved_name(path), None


def shadowing_note(model: str | Path | None) -> list[str]:
    """Say of the name of a model elsewhere that a folder here bears it too, and is meant.

    Any ``owner/name`` may be on the hub; of a name alone there are few, so one must be in the hub's cache.
    """
    rest = model.removeprefix(STATIC) if isinstance(model, str) else ""
    if not HUB_NAME.fullmatch(rest) or not os.path.isdir(rest):
        return []
    if rest != DEFAULT and "/" not in rest and not _was_fetched(rest):
        return []
    there = "the bundled model" if rest == DEFAULT else "a model of that name on the hub"
    return [f"The model '{rest}' is the folder {os.path.realpath(rest)}, not {there} (./{rest} says so unasked)."]


def _was_fetched(name: str) -> bool:
    from huggingface_hub import constants

    return os.path.isdir(os.path.join(constants.HF_HUB_CACHE, f"models--{name}"))


def stamps(source: ModelSource) -> dict[Path, str]:
    """Return a stamp of each file of a model."""
    return {path: stamp(path) for path in source.files()}


def check_unchanged(source: ModelSource, before: Mapping[Path, str]) -> None:
    """Refuse a model whose files were written to between hashing and loading: its key would be that of another one.

    Raises
    ------
    CacheError
    """
    changed = [path for path, then in before.items() if stamp(path) != then]
    if changed:
        raise CacheError(
            f"{changed[0]} changed while the model '{source.name}' was read: its digest may not be that of the weights "
            "that were loaded. Nothing was extracted. Run the command again once nothing writes to the model."
        )
