"""Look after the caches under a root: describe them, and remove them.

A root or a cache folder enters; what was done leaves. A cache is renamed before it is deleted, so that a removal that
is interrupted leaves nothing that looks like a cache.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from probekit.cache.format.certificate import certificate
from probekit.cache.format.names import MANIFEST, PLAN
from probekit.cache.format.plan import read_plan, resume_command
from probekit.cache.manage.leftovers import REMOVING, size_of
from probekit.cache.manage.verify import alone
from probekit.cache.reader import ActivationCache
from probekit.errors import CacheError, ResourceError, UsageError
from probekit.storage.files import read_small
from probekit.storage.locks import RUNS, delete, real_folder
from probekit.storage.strict import parse_object

_MARKS = {"format", "key", "identity"}
"""Names by which a plan is known to be that of a cache."""
PARTS = ("corpus", "shards", "receipts")
"""Folders of a cache."""
PASSING = re.compile(r"\..*\.tmp|\.publish\.lock", re.DOTALL)
"""Hidden files of writers, which belong to a cache and are no part of its result."""


def info(path: Path | str) -> dict[str, Any]:
    """Describe a cache, complete or not.

    Returns
    -------
    dict
        ``cache, complete, key, model, corpus, identity, plan, shards, shards_done, bytes, written_by``;
        of a complete one also ``tensors, totals, findings, certificate``, else ``resume``.
    """
    folder = Path(path)
    plan = read_plan(folder)
    complete = (folder / MANIFEST).is_file()
    found = {
        "cache": str(folder),
        "complete": complete,
        "key": plan.key,
        "model": plan.identity["model"],
        "corpus": plan.corpus,
        "identity": plan.identity,
        "plan": plan.made_with,
        "shards": len(plan.shards),
        "shards_done": shards_done(folder),
        "bytes": size_of(folder),
        "written_by": plan.written_by,
    }
    if not complete:
        return found | {"resume": resume_command(folder)}
    manifest = ActivationCache.open(folder).manifest
    found |= {name: manifest[name] for name in ("tensors", "totals", "findings")}
    return found | {"certificate": certificate(manifest["findings"], plan.made_with)}


def shards_done(folder: Path) -> int:
    """Return how many shards have their receipt."""
    try:
        return sum(re.fullmatch(r"\d+\.json", name) is not None for name in os.listdir(folder / "receipts"))
    except OSError:
        return 0


def remove_all(paths: Sequence[Path | str]) -> dict[Path, int]:
    """Delete caches, all or none; return the bytes freed of each.

    Every lock is taken before anything is deleted, and a cache that is named twice is deleted once.

    Raises
    ------
    UsageError
        If one of `paths` is no cache (nothing is deleted).
    CacheError
        If a writer is at work on one of them (nothing is deleted).
    ResourceError
        If deleting fails; it says what was deleted before.
    """
    folders = removable(paths)
    sizes = {folder: size_of(folder) for folder in folders}
    doomed: dict[Path, Path] = {}
    deleted: list[Path] = []
    begun = False
    with contextlib.ExitStack() as locks:
        try:
            for folder in sorted(folders):
                locks.enter_context(alone(folder))
            for folder in folders:
                hidden = folder.with_name(f"{REMOVING}{os.urandom(6).hex()}")
                os.rename(folder, hidden)
                doomed[folder] = hidden
            begun = True
            for folder, hidden in doomed.items():
                delete(hidden)
                deleted.append(folder)
        except OSError as error:
            if not begun:
                for folder, hidden in doomed.items():
                    with contextlib.suppress(OSError):
                        os.rename(hidden, folder)
            names = ", ".join(map(str, deleted)) or "nothing"
            raise ResourceError(
                f"Cannot delete {error.filename or folders[0]}: {error.strerror}. Deleted before: {names}. "
                "Mend the cause; `probekit cache gc` then frees what is left of a cache that vanished from the list."
            ) from error
    return sizes


def removable(paths: Sequence[Path | str]) -> list[Path]:
    """Return the folders of caches, resolved, each once; `UsageError` for anything that is no cache."""
    found: dict[tuple[int, int], Path] = {}
    for path in paths:
        folder = Path(os.path.realpath(path))
        if (wrong := _no_cache(Path(path), folder)) is not None:
            raise UsageError(f"{path} {wrong}. Nothing was deleted. See `probekit cache ls`.")
        status = os.lstat(folder)
        found.setdefault((status.st_dev, status.st_ino), folder)
    return list(found.values())


def _no_cache(path: Path, folder: Path) -> str | None:
    """Say why a folder must not be deleted as a cache; None where it may be, however damaged its plan is."""
    if os.path.islink(path):
        return "is a link: name the cache itself"
    if not real_folder(folder) or not os.path.lexists(folder / PLAN):
        return f"is not a cache: it holds no {PLAN}"
    said = _names_in_plan(folder)
    for part in PARTS:
        # A cache may lack a folder; what stands in the place of one is somebody's.
        lacks = said is not None and said >= _MARKS and not os.path.lexists(folder / part)
        if not (real_folder(folder / part) or lacks):
            return f"is not a cache: it holds no folder {part}"
    known = {*PARTS, RUNS, PLAN, MANIFEST}
    strange = [name for name in sorted(os.listdir(folder)) if name not in known and not PASSING.fullmatch(name)]
    if strange:
        return f"holds {strange[0]!r}, which is no part of a cache: move it away first"
    if os.path.lexists(folder / RUNS) and not real_folder(folder / RUNS):
        return f"holds a {RUNS} that is no folder of its own: take that away first"
    if said is not None and not said & _MARKS:
        return f"is not a cache: its {PLAN} speaks of something else"
    return None


def _names_in_plan(folder: Path) -> set[str] | None:
    """Return the names in a folder's plan; None where nobody can read it."""
    try:
        return set(parse_object(read_small(folder / PLAN), PLAN))
    except CacheError:
        return None
