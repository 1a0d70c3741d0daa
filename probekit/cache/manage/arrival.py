"""A cache that comes from elsewhere: nothing bears its name before every byte is there and hashed.

Enters: a complete cache, and whatever gets its files here. Leaves: the cache under a root. Files are gathered in a
hidden folder that its maker locks. Surprise: which files those are follows from the plan alone, so that a strange
folder, or a store that somebody else writes to, cannot name one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from probekit.cache.examples import SOURCE
from probekit.cache.format.names import MANIFEST, PLAN, corpus_name, receipt_name, shard_name
from probekit.cache.format.plan import CachePlan, read_plan
from probekit.cache.location import cache_name
from probekit.cache.manage.folders import PARTS, PASSING
from probekit.cache.manage.leftovers import IMPORTING, PULLING
from probekit.cache.manage.verify import VerifyResult, files_of_problem, verify
from probekit.cache.reader import ActivationCache
from probekit.errors import CacheError
from probekit.storage.files import disk_errors, open_regular, sync, sync_folder, write_all
from probekit.storage.locks import LOCK, RUNS, acquire, make_hidden_folder

COPIED_AT_ONCE = 8 << 20


def files_of(plan: CachePlan) -> dict[str, tuple[str, ...]]:
    """Return the names of a complete cache's files by their folder, in the order in which they are to be written.

    The plan is first, a receipt follows its shard, and the manifest, which says that all is there, is last.
    """
    numbers = range(len(plan.shards))
    return {
        "plan": (PLAN,),
        "corpus": (f"corpus/{SOURCE}", *(f"corpus/{corpus_name(number)}" for number in numbers)),
        "shards": tuple(f"shards/{shard_name(number)}" for number in numbers),
        "receipts": tuple(f"receipts/{receipt_name(number)}" for number in numbers),
        "manifest": (MANIFEST,),
    }


def import_cache(source: Path | str, root: Path) -> Path:
    """Copy a complete cache under a root, hashing every file on arrival; return its new folder.

    Only the files that follow from its plan are copied, and links are not followed.

    Raises
    ------
    CacheError
        If the source is incomplete or damaged, holds anything that is no part of a cache, or the
        root holds the same cache already.
    ResourceError
        If the copy cannot be written.
    """
    opened = ActivationCache.open(source)
    plan = read_plan(Path(source))
    _refuse_strangers(plan)
    target = free_place(plan, root)
    with disk_errors(root, "the imported cache", needed=opened.nbytes):
        root.mkdir(parents=True, exist_ok=True)
        copy, held = make_hidden_folder(root, IMPORTING)
    try:
        with disk_errors(root, "the imported cache", needed=opened.nbytes):
            make_parts(copy)
            for names in files_of(plan).values():
                for name in names:
                    _copy(Path(source) / name, copy / name)
        if not (result := settle(copy, target)).ok:
            raise CacheError(f"{source} is damaged: {result.problems[0].what} Nothing was imported.")
    finally:
        shutil.rmtree(copy, ignore_errors=True)
        os.close(held)
    return target


def free_place(plan: CachePlan, root: Path) -> Path:
    """Return the folder that a cache gets under a root; `CacheError` where it is there already."""
    target = root / cache_name(plan.identity["model"]["name"], plan.identity["corpus"]["name"], plan.key)
    if os.path.lexists(target):
        raise CacheError(_there(target))
    return target


def _there(target: Path) -> str:
    return f"{target} is there already. Remove it first with `probekit cache rm {target}`."


def make_parts(copy: Path) -> None:
    """Make the folders of a cache."""
    for part in PARTS:
        (copy / part).mkdir(exist_ok=True)


@contextmanager
def gathering(root: Path, key: str) -> Iterator[Path]:
    """Hold the hidden folder in which the files of one cache are gathered, begun before or not; it stays.

    Raises
    ------
    CacheError
        If another process gathers the same files.
    """
    copy = root / f"{PULLING}{key}"
    (copy / RUNS).mkdir(parents=True, exist_ok=True)
    held = acquire(copy / RUNS / LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if held is None:
        raise CacheError(f"Another process pulls the same cache into {root}. Wait for it, or stop it.")
    try:
        make_parts(copy)
        yield copy
    finally:
        os.close(held)


def settle(copy: Path, target: Path) -> VerifyResult:
    """Hash every file of a gathered cache, and give it its name if all are sound.

    What is damaged is deleted, so that it is fetched anew by whoever goes on.
    """
    with disk_errors(target.parent, "the cache"):
        for part in (*PARTS, "."):
            sync_folder(copy / part)
    try:
        result = verify(copy)
    except CacheError:  # plan and corpus contradict each other: neither is believed
        for name in (PLAN, MANIFEST):
            (copy / name).unlink(missing_ok=True)
        shutil.rmtree(copy / "corpus", ignore_errors=True)
        raise
    if not result.ok:
        plan = read_plan(copy)
        for file in {
            copy / MANIFEST,
            *(file for problem in result.problems for file in files_of_problem(plan, problem)),
        }:
            file.unlink(missing_ok=True)
        return result
    with disk_errors(target.parent, "the cache"):
        try:
            os.rename(copy, target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise CacheError(_there(target)) from None
        sync_folder(target.parent)
    return result


def write_file(path: Path, blocks: Callable[[], bytes]) -> int:
    """Write a new file of the blocks that a function returns until it returns none, and sync it; return its size."""
    new = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        offset = 0
        while data := blocks():
            write_all(new, data, offset)
            offset += len(data)
        sync(new)
    finally:
        os.close(new)
    return offset


def _copy(source: Path, target: Path) -> None:
    fd = open_regular(source)
    try:
        write_file(target, lambda: os.read(fd, COPIED_AT_ONCE))
    finally:
        os.close(fd)


def _refuse_strangers(plan: CachePlan) -> None:
    """Raise `CacheError` for anything in a cache's folder that is no part of it."""
    known = {name for names in files_of(plan).values() for name in names} | {*PARTS, RUNS}
    for part in (*PARTS, ""):
        for name in sorted(os.listdir(plan.folder / part)):
            if f"{part}/{name}".lstrip("/") not in known and not PASSING.fullmatch(name):
                raise CacheError(
                    f"{plan.folder / part / name} is no part of a cache. Nothing was imported. Take it away, or "
                    "extract again."
                )
