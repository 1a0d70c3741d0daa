"""Hash everything in a cache and say what is wrong; mark what is damaged for recomputation.

A folder enters, a list of problems leaves. Surprise: repair computes nothing. It moves what is
damaged to ``runs/aside`` and takes the manifest away, so that the next ``probekit extract`` writes
exactly what is missing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probekit.cache.files import canonical, lock, open_regular, parse_object, read_small, writing
from probekit.cache.format import ShardSpec, corpus_name, receipt_name, shard_name
from probekit.cache.location import MANIFEST
from probekit.cache.manifest import build_manifest, check_entry, check_receipt, read_header, read_manifest, read_receipt
from probekit.cache.plan import FormatVersionError, Plan, read_plan
from probekit.cache.settle import damaged_tensors, inode, set_aside
from probekit.cache.shard import hash_range
from probekit.cache.staging import LOCK, SOURCE
from probekit.errors import CacheError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes
    ----------
    shard : int or None
        None where it concerns the cache as a whole.
    part : str
        ``shard``, ``receipt``, ``corpus``, ``manifest`` or ``plan``.
    what : str
    """

    shard: int | None
    part: str
    what: str


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What a verification found.

    Attributes
    ----------
    path : Path
    complete : bool
        Whether there is a manifest; without one the finished shards were verified.
    shards, shards_done : int
        Planned, and hashed.
    nbytes : int
        Bytes hashed.
    problems : tuple of Problem
    """

    path: Path
    complete: bool
    shards: int
    shards_done: int
    nbytes: int
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``cache verify --json`` prints."""
        problems = [{"shard": item.shard, "part": item.part, "what": item.what} for item in self.problems]
        found = {"cache": str(self.path), "ok": self.ok, "complete": self.complete, "shards": self.shards}
        return found | {"shards_done": self.shards_done, "bytes": self.nbytes, "problems": problems}


def verify(path: Path | str) -> VerifyResult:
    """Hash every file of a cache; nothing is changed.

    Raises
    ------
    CacheError
        If the plan cannot be read, or another format version wrote it: then nothing can be judged.
    """
    plan = read_plan(Path(path))
    problems: list[Problem] = []
    manifest = None
    try:
        manifest = read_manifest(plan)
        complete = manifest is not None
    except FormatVersionError:
        raise
    except CacheError as error:
        complete = True
        problems.append(Problem(None, "manifest", str(error)))
    problems += _corpus_problems(plan)
    done = nbytes = 0
    for spec in plan.shards:
        shard = plan.folder / "shards" / shard_name(spec.number)
        if not complete and not os.path.lexists(shard):
            continue
        done += 1
        found = list(_shard_problems(plan, spec, manifest))
        problems += found
        if not any(problem.part == "shard" for problem in found):
            nbytes += shard.stat().st_size
    if manifest is not None and not problems and canonical(manifest) != canonical(_rebuilt(plan)):
        problems.append(Problem(None, "manifest", f"{plan.folder / MANIFEST} does not follow from the receipts."))
    return VerifyResult(plan.folder, complete, len(plan.shards), done, nbytes, tuple(problems))


def repair(path: Path | str) -> VerifyResult:
    """Verify, and set aside what is damaged; return what was found.

    Damaged shards, receipts and corpus files go to ``runs/aside``, and the manifest with them;
    extracting the same model and corpus again then recomputes only these shards.

    Raises
    ------
    CacheError
        If the plan is damaged (such a cache can only be removed), or a writer is at work.
    """
    folder = Path(path)
    plan = read_plan(folder)
    with writing(folder, "the repair"), alone(folder):
        result = verify(folder)
        if result.ok:
            return result
        # The manifest first: without it the cache is incomplete, never wrong.
        set_aside(folder, folder / MANIFEST, inode(folder / MANIFEST))
        for problem in result.problems:
            for file in _files(plan, problem):
                set_aside(folder, file, inode(file))
    return result


def _rebuilt(plan: Plan) -> dict[str, Any]:
    pairs = []
    for spec in plan.shards:
        receipt = read_receipt(plan.folder, spec)
        if receipt is not None:
            pairs.append((receipt, read_header(plan, spec.number)[0]))
    return parse_object(canonical(build_manifest(plan, pairs)), MANIFEST)


def _files(plan: Plan, problem: Problem) -> list[Path]:
    if problem.part == "corpus":
        names = [SOURCE] if problem.shard is None else [corpus_name(problem.shard)]
        return [plan.folder / "corpus" / name for name in names]
    if problem.shard is None:
        return []
    receipt = plan.folder / "receipts" / receipt_name(problem.shard)
    shard = plan.folder / "shards" / shard_name(problem.shard)
    return [receipt] if problem.part == "receipt" else [shard, receipt]


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a cache alone; `CacheError` while a writer is at work."""
    fd = os.open(folder / "runs" / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        if not lock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB):
            raise CacheError(f"{folder} is being written by another process. Wait for it, or stop it.")
        yield
    finally:
        os.close(fd)


def _corpus_problems(plan: Plan) -> Iterator[Problem]:
    whole = hashlib.sha256()
    sound = True
    for spec in plan.shards:
        path = plan.folder / "corpus" / corpus_name(spec.number)
        try:
            fd = open_regular(path)
            try:
                size = os.fstat(fd).st_size
                if size != spec.size:
                    raise CacheError(f"{path} is damaged: {size} bytes where the plan says {spec.size}.")
                hash_range(whole, fd, 0, size)
            finally:
                os.close(fd)
        except CacheError as error:
            sound = False
            yield Problem(spec.number, "corpus", str(error))
    if sound and whole.hexdigest() != plan.corpus["fingerprint"]:
        for spec in plan.shards:
            what = f"{plan.folder / 'corpus'}: the examples do not have the fingerprint of the plan."
            yield Problem(spec.number, "corpus", what)
    try:
        read_small(plan.folder / "corpus" / SOURCE)
    except CacheError as error:
        yield Problem(None, "corpus", str(error))


def _shard_problems(plan: Plan, spec: ShardSpec, manifest: dict[str, Any] | None) -> Iterator[Problem]:
    path = plan.folder / "shards" / shard_name(spec.number)
    try:
        header, sha256 = read_header(plan, spec.number)
        if damaged := damaged_tensors(path, header):
            yield Problem(spec.number, "shard", f"{path} is damaged: the data of {', '.join(damaged)} changed.")
            return
    except CacheError as error:
        yield Problem(spec.number, "shard", str(error))
        return
    if manifest is not None:
        try:
            check_entry(plan, manifest, header, sha256)
        except CacheError as error:
            yield Problem(spec.number, "shard", str(error))
            return
    receipt_path = plan.folder / "receipts" / receipt_name(spec.number)
    try:
        receipt = read_receipt(plan.folder, spec)
        if receipt is not None:
            check_receipt(receipt, header, sha256, receipt_path)
        elif manifest is not None:
            raise CacheError(f"{receipt_path} is missing.")
    except CacheError as error:
        yield Problem(spec.number, "receipt", str(error))
