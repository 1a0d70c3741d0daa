"""Killed or failed at every write, sync and link in turn, a cache resumes to the same bytes."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from children import BROKE, SURVIVED, in_child
from faulty import FAILED, REFUSED, SIGKILLED, Shim, calls_of, fail_with, kill
from numpy.typing import NDArray
from planted import PLAN, corpus_of, digests, extract, identity_of, stage, tensors_of

from probekit.cache.manage.verify import verify
from probekit.cache.reader import ActivationCache
from probekit.cache.write import crashes
from probekit.cache.write.shard import ShardWriter
from probekit.cache.write.writer import CacheWriter
from probekit.errors import CacheError, ResourceError
from probekit.storage.direct_io import PageCacheCost

CORPUS = corpus_of(2, per_shard=3)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return digests(extract(tmp_path_factory.mktemp("undisturbed"), CORPUS))


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Path]:
    """A folder whose syncs cost nothing, where the system has one."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def caches(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if not path.name.startswith(".")]


def leftovers(root: Path) -> list[str]:
    return [str(path) for path in root.rglob("*") if path.name.endswith(".tmp")]


def opens_complete_or_resumable(root: Path, undisturbed: dict[str, str]) -> None:
    """Complete means equal to an undisturbed run; all else is refused as incomplete."""
    for folder in caches(root):
        try:
            ActivationCache.open(folder)
        except CacheError as error:
            seen = str(error)
        else:
            seen = "complete"
            found = digests(folder)
            assert {name: found[name] for name in found if not name.endswith(".tmp")} == undisturbed
        assert "complete" in seen


@pytest.mark.parametrize("direct", [False, True])
def test_fault_01_killed_at_every_call(
    fast: Path, undisturbed: dict[str, str], direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if direct:
        monkeypatch.setattr(PageCacheCost, "slow", True)
    at, killed = 1, 0
    while True:
        root = fast / str(at)
        shim = Shim(at, kill)

        def work(root: Path = root, shim: Shim = shim) -> None:
            with shim.active():
                extract(root, CORPUS)

        code = in_child(work)
        if code == SURVIVED:
            break
        assert code == SIGKILLED
        killed += 1
        if root.exists():
            opens_complete_or_resumable(root, undisturbed)
        folder = extract(root, CORPUS)
        assert digests(folder) == undisturbed
        assert leftovers(root) == []
        never_locked = [path for path in root.glob(".staging-*") if not (path / "runs/lock").exists()]
        assert {*root.iterdir()} == {folder, *never_locked}
        shutil.rmtree(root)
        at += 1
    assert killed > 120


def test_fault_01_a_killed_run_loses_only_the_shard_it_was_writing(tmp_path: Path) -> None:
    corpus = corpus_of(3, per_shard=2)

    def work() -> None:
        extract(tmp_path, corpus, after_shard=lambda spec: kill("") if spec.number == 1 else None)

    assert in_child(work) == SIGKILLED
    (folder,) = caches(tmp_path)
    before = {path.name: path.stat().st_ino for path in (folder / "shards").iterdir()}
    assert sorted(before) == ["00000.safetensors", "00001.safetensors"]
    extract(tmp_path, corpus)
    after = {path.name: path.stat().st_ino for path in (folder / "shards").iterdir()}
    assert {name: after[name] for name in before} == before
    assert len(after) == 3


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_fault_03_failed_at_every_call(
    fast: Path, undisturbed: dict[str, str], number: int, direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if direct:
        monkeypatch.setattr(PageCacheCost, "slow", True)
    names, failed = calls_of(lambda: extract(fast / "counted", CORPUS)), 0
    for at in range(1, len(names) + 1):
        root = fast / str(at)
        shim = Shim(at, fail_with(number))

        def work(root: Path = root, shim: Shim = shim) -> None:
            with shim.active():
                extract(root, CORPUS)

        code = in_child(work)
        # What is only read and cannot be opened is refused, and is no shortage of anything.
        assert code in (SURVIVED, FAILED, REFUSED if names[at - 1] == "open" else FAILED), f"call {at}"
        failed += code != SURVIVED
        if root.exists():
            opens_complete_or_resumable(root, undisturbed)
        folder = extract(root, CORPUS)
        assert digests(folder) == undisturbed
        assert leftovers(root) == []
        assert not (folder / "runs/aside").exists()
        shutil.rmtree(root)
    assert failed > 80


def test_fault_02_killed_between_a_shard_and_its_receipt(tmp_path: Path) -> None:
    folder = extract(tmp_path, CORPUS)
    sound = digests(folder)
    (folder / "manifest.json").unlink()
    (folder / "receipts/00001.json").unlink()
    inode = (folder / "shards/00001.safetensors").stat().st_ino
    extract(tmp_path, CORPUS)
    assert digests(folder) == sound
    assert (folder / "shards/00001.safetensors").stat().st_ino == inode


def test_fault_02_a_damaged_shard_without_receipt_is_written_again(tmp_path: Path) -> None:
    folder = extract(tmp_path, CORPUS)
    sound = digests(folder)
    (folder / "manifest.json").unlink()
    (folder / "receipts/00001.json").unlink()
    flip(folder / "shards/00001.safetensors", -5)
    written = []
    extract(tmp_path, CORPUS, after_shard=lambda spec: written.append(spec.number))
    assert written == [1]
    assert digests(folder) == sound
    assert len(list((folder / "runs/aside").glob("00001.safetensors.*"))) == 1


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_fault_03_a_limit_on_file_sizes_shows_before_the_rows(tmp_path: Path) -> None:
    with stage(CORPUS, tmp_path) as staged, CacheWriter.open(tmp_path, identity_of(staged), PLAN, staged) as writer:

        def work() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
            with pytest.raises(ResourceError, match=r"bytes.*are needed.*are free.*ulimit"):
                writer.shard(writer.missing()[0], rows={"": 20_000}, tensors=tensors_of())

        assert in_child(work) == SURVIVED
        assert leftovers(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=112k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small tmpfs cannot be mounted here (needs root)")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_fault_03_a_full_disk_names_needed_and_free(small_disk: Path) -> None:
    with pytest.raises(ResourceError, match=r"shard 0.*are needed.*are free.*--cache"):
        extract(small_disk, corpus_of(1, per_shard=4))
    assert leftovers(small_disk) == []
    (folder,) = caches(small_disk)
    assert list((folder / "shards").iterdir()) == []
    with pytest.raises(CacheError, match=r"incomplete: 0 of 1 shards\. Resume with: probekit extract again"):
        ActivationCache.open(folder)


def test_fault_24_interrupts_and_short_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, str]
) -> None:
    real, turn = os.pwrite, iter(range(10**9))

    def unruly(fd: int, data: memoryview, offset: int) -> int:
        if next(turn) % 3 == 0:
            raise InterruptedError(errno.EINTR, "interrupted")
        return real(fd, data[: max(1, len(data) // 2)], offset)

    monkeypatch.setattr(os, "pwrite", unruly)
    assert digests(extract(tmp_path, CORPUS)) == undisturbed


def test_fault_24_a_write_that_writes_nothing_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", lambda *_: 0)
    with pytest.raises(ResourceError):
        extract(tmp_path, CORPUS)


def test_fault_24_times_decide_nothing(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    folder = extract(tmp_path, CORPUS)
    for path in folder.rglob("*"):
        os.utime(path, (0, 0))
    (folder / "manifest.json").unlink()
    assert digests(extract(tmp_path, CORPUS)) == undisturbed
    assert verify(folder).ok


def test_a_crash_of_the_test_itself_is_not_taken_for_a_failure() -> None:
    assert in_child(lambda: 1 / 0) == BROKE


def test_a_receipt_without_its_shard_is_set_aside(tmp_path: Path) -> None:
    folder = extract(tmp_path, CORPUS)
    (folder / "manifest.json").unlink()
    (folder / "shards/00001.safetensors").unlink()
    with stage(CORPUS, tmp_path) as staged:
        identity = identity_of(staged) | {"dtype": "float32"}
        with CacheWriter.open(tmp_path, identity, PLAN, staged) as writer:
            assert [spec.number for spec in writer.missing()] == [1]
    assert not (folder / "receipts/00001.json").exists()


def test_an_edited_plan_is_found_before_anything_is_written(tmp_path: Path) -> None:
    folder = extract(tmp_path, CORPUS)
    (folder / "manifest.json").unlink()
    plan = (folder / "plan.json").read_text()
    (folder / "plan.json").write_text(plan.replace("a" * 64, "f" * 64))
    with pytest.raises(CacheError, match="key does not follow from its identity"):
        extract(tmp_path, CORPUS)


def ended_over_shard_1(root: Path, act: Callable[[str], None] = kill) -> int:
    """Extract in a child to which `act` happens between the rows of shard 1; return how it ended."""
    put = ShardWriter.put

    def shimmed(self: ShardWriter, name: str, row: int, block: NDArray[Any]) -> None:
        if self.spec.number == 1:
            act("")
        put(self, name, row, block)

    with mock.patch.object(ShardWriter, "put", shimmed):
        return in_child(lambda: extract(root, CORPUS))


def test_fault_30_killed_again_and_again_over_one_shard(
    tmp_path: Path, undisturbed: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    def codes() -> list[int]:
        return [ended_over_shard_1(tmp_path) for _ in range(crashes.LIMIT + 1)]

    assert codes() == [SIGKILLED] * crashes.LIMIT + [FAILED]
    (folder,) = caches(tmp_path)
    assert leftovers(tmp_path) == []
    # A refusal is one run's: the next tries again, and a refused one names shard and remedy.
    assert codes() == [SIGKILLED] * crashes.LIMIT + [FAILED]
    for _ in range(crashes.LIMIT):
        ended_over_shard_1(tmp_path)
    with pytest.raises(ResourceError, match=r"Shard 1 \(3 examples\).*begun 5 times.*--batch-tokens"):
        extract(tmp_path, CORPUS)
    assert digests(extract(tmp_path, CORPUS)) == undisturbed
    assert list((folder / "runs").glob("deaths-*")) == []


def test_fault_30_an_interrupt_is_no_death(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    for _ in range(crashes.LIMIT - 1):
        assert ended_over_shard_1(tmp_path) == SIGKILLED
    for _ in range(crashes.LIMIT):
        assert ended_over_shard_1(tmp_path, interrupt) == BROKE
    assert digests(extract(tmp_path, CORPUS)) == undisturbed
