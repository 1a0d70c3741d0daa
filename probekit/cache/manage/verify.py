"""Hash everything in a cache and say what is wrong; mark what is damaged for recomputation.

A folder enters, a list of problems leaves. Repair computes nothing. It moves what is damaged to ``runs/aside`` and
takes the manifest away, so that the next ``probekit extract`` writes exactly what is missing.
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

from probekit.cache.examples import SOURCE, read_source, read_text, without_kept
from probekit.cache.format.manifest import (
    build_manifest,
    check_entry,
    check_receipt,
    read_header,
    read_manifest,
    read_receipt,
)
from probekit.cache.format.names import MANIFEST, ShardSpec, corpus_name, receipt_name, shard_name
from probekit.cache.format.plan import CachePlan, FormatVersionError, read_plan
from probekit.cache.keep import Keep
from probekit.cache.write.recovery import check_bytes, damaged_tensors, file_identity, set_aside
from probekit.cache.write.shard import receipt_bytes
from probekit.errors import CacheError
from probekit.storage.files import check_folder, disk_errors, read_small
from probekit.storage.locks import LOCK, RUNS, acquire
from probekit.storage.strict import pretty


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
        If the plan cannot be read, another format version wrote it, or the cache is removed
        meanwhile: then nothing can be judged.
    """
    folder = Path(path)
    try:
        before = os.stat(folder) if os.path.isdir(folder) else None
        result = _verify(read_plan(folder))
        if result.ok or (before is not None and os.path.samestat(before, os.stat(folder))):
            return result
    except OSError as error:
        raise CacheError(f"{path} cannot be verified: {error.strerror or error}.") from None
    raise CacheError(f"{path} cannot be verified: it was removed meanwhile.")


def _verify(plan: CachePlan) -> VerifyResult:
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
            nbytes += os.lstat(shard).st_size
    if manifest is not None and not problems and read_small(plan.folder / MANIFEST) != _rebuilt(plan):
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
    with disk_errors(folder, "the repair"), alone(folder):
        result = verify(folder)
        if result.ok:
            return result
        # The manifest first: without it the cache is incomplete, never wrong.
        set_aside(folder, folder / MANIFEST, file_identity(folder / MANIFEST))
        for problem in result.problems:
            for file in files_of_problem(plan, problem):
                set_aside(folder, file, file_identity(file))
    return result


def _rebuilt(plan: CachePlan) -> bytes:
    pairs = []
    for spec in plan.shards:
        receipt = read_receipt(plan.folder, spec)
        if receipt is not None:
            pairs.append((receipt, read_header(plan, spec.number)[0]))
    return pretty(build_manifest(plan, pairs))


def files_of_problem(plan: CachePlan, problem: Problem) -> list[Path]:
    """Return the files that something wrong concerns; none where the cache as a whole is."""
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
    """Hold a cache alone; `CacheError` while a writer is at work, or where it is gone."""
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder / RUNS)
        check_folder(folder / RUNS)
        fd = acquire(folder / RUNS / LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        raise CacheError(f"There is no cache at {folder} any more: another process removed it.") from None
    if fd is None:
        raise CacheError(f"{folder} is being written by another process. Wait for it, or stop it.")
    try:
        yield
    finally:
        os.close(fd)


def _corpus_problems(plan: CachePlan) -> Iterator[Problem]:
    whole = hashlib.sha256()
    sound = True
    for spec in plan.shards:
        try:
            text = read_text(plan.folder / "corpus", spec)
            whole.update(without_kept(text, plan.folder) if Keep.of(plan.identity).places else text)
        except CacheError as error:
            sound = False
            yield Problem(spec.number, "corpus", str(error))
    if sound and whole.hexdigest() != plan.corpus["fingerprint"]:
        raise CacheError(
            f"The plan of {plan.folder} is damaged: its corpus files do not have its fingerprint. Remove the "
            f"cache with `probekit cache rm {plan.folder}` and extract again."
        )
    try:
        read_source(plan.folder / "corpus")
    except CacheError as error:
        yield Problem(None, "corpus", str(error))


def _shard_problems(plan: CachePlan, spec: ShardSpec, manifest: dict[str, Any] | None) -> Iterator[Problem]:
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
            check_bytes(receipt_path, receipt_bytes(header, sha256))
        elif manifest is not None:
            raise CacheError(f"{receipt_path} is missing.")
    except CacheError as error:
        yield Problem(spec.number, "receipt", str(error))
