"""How a task goes to another process: its functions are named by folder, file and name, and found again there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from probekit.loading import from_folder, place_of


def catalogue_folder() -> Path:
    """Where the bundled tasks are: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "probes"
    return inside if inside.is_dir() else package.parent / "probes"


@dataclass(frozen=True, slots=True)
class Sent:
    """A function of a folder of task files on its way to another process; no folder: the bundled catalogue."""

    folder: str | None
    module: str
    name: str
    args: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)


def leaving(function: Any, setting: str) -> Any:
    """Say where a function is defined, if a task file does; any other goes as it is."""
    if isinstance(function, partial):
        inner = leaving(function.func, setting)
        sent = isinstance(inner, Sent)
        return replace(inner, args=function.args, keywords=function.keywords) if sent else function
    place = place_of(function, f"TASK.{setting}")
    if place is None:
        return function
    bundled = place.folder == catalogue_folder().resolve()
    return Sent(None if bundled else str(place.folder), place.module, place.name)


def found(sent: Sent) -> Callable[..., Any]:
    """Find the function that was sent."""
    folder = catalogue_folder().resolve() if sent.folder is None else Path(sent.folder)
    function = from_folder(folder, sent.module, sent.name)
    return partial(function, *sent.args, **sent.keywords) if sent.args or sent.keywords else function
