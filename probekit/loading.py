"""A folder of Python files as the modules of a package of its own, so that each file is its own registration.

Enters: a folder. Leaves: its modules, each with its file. One thread at a time loads. A module must stand in
``sys.modules`` before it has run, or its relative imports would not find it, and nobody else may take it from there
half made.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from probekit.errors import UsageError

LOADING = threading.RLock()
"""Held by whoever loads; reentrant, since a file may itself ask for a catalogue."""
_PACKAGE = "probekit_probes_"


def load_folder(folder: Path, what: str = "task") -> list[tuple[Path, ModuleType]]:
    """Import a folder's files; again where a file of the folder changed since (a notebook edits them).

    Parameters
    ----------
    folder : Path
        Its files without a leading ``_`` are loaded; the others are helpers that these may import.
    what : str
        What a file defines, for messages.

    Returns
    -------
    list of (Path, module)
        By name of the file.

    Raises
    ------
    UsageError
        A file that does not load, with the line.
    """
    with LOADING:
        return _modules(folder, what)


def load_file(path: Path, what: str) -> ModuleType:
    """Import one file of a folder; what it imports of its folder is loaded with it, the others are not.

    Raises
    ------
    UsageError
        It is not there, or does not load, with the line.
    """
    if not path.is_file():
        raise UsageError(f"The file '{path}' is not there. Give a {what} file, or the name of one that is known.")
    with LOADING:
        path = path.resolve()
        return _module(_opened(path.parent, sorted(path.parent.glob("*.py"))), path, what)


class Definition(NamedTuple):
    """Where a folder's file defines something: ``name`` may be dotted, ``TASK.targets``."""

    folder: Path
    module: str
    name: str


def definition_of(thing: Any, known_as: str) -> Definition | None:
    """Find where a loaded folder defines a thing: under a dotted name in any file, else under the thing's own name."""
    modules = [(name, module) for name, module in list(sys.modules.items()) if name.startswith(_PACKAGE)]
    look = attrgetter(known_as)
    for name, module in modules:
        try:
            if look(module) is thing:
                return _place(name, known_as)
        except AttributeError:
            continue
    home = getattr(thing, "__module__", None)
    return _place(home, thing.__qualname__) if home in dict(modules) and hasattr(thing, "__qualname__") else None


def _place(module: str, name: str) -> Definition:
    package, _, file = module.partition(".")
    return Definition(Path(sys.modules[package].__path__[0]), file, name)


def from_folder(folder: Path, module: str, name: str) -> Any:
    """Find what a file of a folder defines: the file by its name as a module, helpers included.

    Raises
    ------
    UsageError
        A folder, file or name that is not there.
    """
    with LOADING:
        _modules(folder)
        try:
            return attrgetter(name)(importlib.import_module(f"{_package(folder)}.{module}"))
        except (ImportError, AttributeError):
            raise UsageError(
                f"{folder}: no file of this folder of tasks defines '{name}' as '{module}' any more. Give the task "
                "anew, or put the folder back where it was."
            ) from None


def _package(folder: Path) -> str:
    return _PACKAGE + hashlib.sha256(str(folder).encode()).hexdigest()[:12]


def _modules(folder: Path, what: str = "task") -> list[tuple[Path, ModuleType]]:
    files = sorted(folder.glob("*.py"))
    package = _opened(folder, files)
    return [(path, _module(package, path, what)) for path in files if not path.stem.startswith("_")]


def _opened(folder: Path, files: Sequence[Path]) -> str:
    """Return the package of a folder; what was loaded of it is forgotten where a file changed since."""
    stamp = tuple((path.name, (stat := path.stat()).st_mtime_ns, stat.st_size) for path in files)
    package = _package(folder)
    if getattr(sys.modules.get(package), "stamp", None) != stamp:
        for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        parent = ModuleType(package)
        parent.__path__ = [str(folder)]
        parent.__dict__["stamp"] = stamp
        sys.modules[package] = parent
    return package


def _module(package: str, path: Path, what: str) -> ModuleType:
    name = f"{package}.{path.stem.replace('-', '_')}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        where = line_of(error, lambda file: file.parent == path.parent, str(path))
        raise UsageError(
            f"{where}: this {what} file does not load: {type(error).__name__}: {error}. Correct it, or "
            "take it out of the folder."
        ) from error
    return module


def line_of(error: BaseException, mine: Callable[[Path], bool], otherwise: str) -> str:
    """Return ``file:line`` of the innermost line that the error passed in files that are ``mine``."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if mine(Path(frame.filename))]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else otherwise
