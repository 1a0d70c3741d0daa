"""A folder of Python files as the modules of a package of its own, so that each file is its own registration.

Enters: a folder. Leaves: its modules, each with its file. Surprise: one thread at a time loads. A module must stand in
``sys.modules`` before it has run, or its relative imports would not find it, and nobody else may take it from there
half made.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import threading
import traceback
from pathlib import Path
from types import ModuleType

from probekit.errors import UsageError

# Reentrant: a file may itself ask for the catalogue.
_LOADING = threading.RLock()


def load_folder(folder: Path) -> list[tuple[Path, ModuleType]]:
    """Import a folder's files; again where a file of the folder changed since (a notebook edits them).

    Parameters
    ----------
    folder : Path
        Its files without a leading ``_`` are loaded; the others are helpers that these may import.

    Returns
    -------
    list of (Path, module)
        By name of the file.

    Raises
    ------
    UsageError
        A file that does not load, with the line.
    """
    with _LOADING:
        return _modules(folder)


def _modules(folder: Path) -> list[tuple[Path, ModuleType]]:
    files = sorted(folder.glob("*.py"))
    stamp = tuple((path.name, (stat := path.stat()).st_mtime_ns, stat.st_size) for path in files)
    package = "probekit_probes_" + hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    if getattr(sys.modules.get(package), "stamp", None) != stamp:
        for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        parent = ModuleType(package)
        parent.__path__ = [str(folder)]
        parent.__dict__["stamp"] = stamp
        sys.modules[package] = parent
    return [(path, _module(package, path)) for path in files if not path.stem.startswith("_")]


def _module(package: str, path: Path) -> ModuleType:
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
        raise UsageError(
            f"{_line(error, path)}: this task file does not load: {type(error).__name__}: {error}. Correct it, or "
            "take it out of the folder."
        ) from error
    return module


def _line(error: Exception, path: Path) -> str:
    """Return ``file:line`` of the innermost line of the folder's own code that the error passed."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent == path.parent
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else str(path)
