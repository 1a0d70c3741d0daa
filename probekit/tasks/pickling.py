"""How a task is pickled for another process: its functions are named by folder, file and name, and imported there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from probekit.loading import definition_of, from_folder


def catalogue_folder() -> Path:
    """Where the bundled tasks are: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "probes"
    return inside if inside.is_dir() else package.parent / "probes"


@dataclass(frozen=True, slots=True)
class FunctionReference:
    """A function of a folder of task files by where it is defined; no folder: the bundled catalogue."""

    folder: str | None
    module: str
    name: str
    args: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)


def function_reference(function: Any, setting: str) -> Any:
    """Return where a function is defined, if a task file does; any other as it is."""
    if isinstance(function, partial):
        inner = function_reference(function.func, setting)
        reference = isinstance(inner, FunctionReference)
        return replace(inner, args=function.args, keywords=function.keywords) if reference else function
    place = definition_of(function, f"TASK.{setting}")
    if place is None:
        return function
    bundled = place.folder == catalogue_folder().resolve()
    return FunctionReference(None if bundled else str(place.folder), place.module, place.name)


def resolve(reference: FunctionReference) -> Callable[..., Any]:
    """Import the function that a reference names."""
    folder = catalogue_folder().resolve() if reference.folder is None else Path(reference.folder)
    function = from_folder(folder, reference.module, reference.name)
    return (
        partial(function, *reference.args, **reference.keywords) if reference.args or reference.keywords else function
    )
