"""Several writers at once, and what must be durable before a name appears."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest
from children import SURVIVED, ended, start_child
from faulty import SIGKILLED, Shim, kill
from planted import PLAN, corpus_of, digests, extract, identity_of, stage, write_shard

from probekit.cache.write.writer import CacheWriter
from probekit.storage import files

CORPUS = corpus_of(2, per_shard=3)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return digests(extract(tmp_path_factory.mktemp("undisturbed"), CORPUS))


def caches(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if not path.name.startswith(".")]


def leftovers(root: Path) -> list[str]:
    return [str(path) for path in root.rglob("*") if path.name.endswith(".tmp")]


def test_fault_07_concurrent_writers(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    for writers in (2, 4):
        root = tmp_path / str(writers)
        children = [start_child(lambda root=root: extract(root, CORPUS)) for _ in range(writers)]
        codes = [ended(child) for child in children]
        assert codes == [SURVIVED] * writers
        (folder,) = root.iterdir()
        assert digests(folder) == undisturbed
        assert leftovers(root) == []
        assert not (folder / "runs/aside").exists()


def test_fault_07_killed_beside_a_living_writer(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    for at in range(12, 60, 7):
        root = tmp_path / str(at)
        shim = Shim(at, kill)

        def dying(root: Path = root, shim: Shim = shim) -> None:
            with shim.active():
                extract(root, CORPUS)

        children = [start_child(work) for work in (dying, lambda root=root: extract(root, CORPUS))]
        codes = [ended(child) for child in children]
        assert codes[0] in (SURVIVED, SIGKILLED)
        assert codes[1] == SURVIVED
        assert digests(extract(root, CORPUS)) == undisturbed


def test_fault_07_a_loser_of_the_race_says_nothing(tmp_path: Path) -> None:
    with stage(CORPUS, tmp_path) as staged, CacheWriter.open(tmp_path, identity_of(staged), PLAN, staged) as writer:
        spec = writer.missing()[0]
        assert write_shard(writer, spec) is True
        assert write_shard(writer, spec) is False
        assert [left.number for left in writer.missing()] == [1]


def test_a_name_appears_only_after_its_bytes_are_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For every link: the file was synced after its last write, and its folder is synced after the link."""
    dirty: set[int] = set()
    unsynced: set[int] = set()
    real = {name: getattr(os, name) for name in ("pwrite", "fsync", "link")}

    def pwrite(fd: int, data: memoryview, offset: int) -> int:
        dirty.add(os.fstat(fd).st_ino)
        return real["pwrite"](fd, data, offset)

    def fsync(fd: int) -> None:
        for names in (dirty, unsynced):
            names.discard(os.fstat(fd).st_ino)
        real["fsync"](fd)

    def link(source: Path, target: Path, **options: bool) -> None:
        assert os.stat(source).st_ino not in dirty, target
        if target.name == "manifest.json":
            assert not unsynced
        real["link"](source, target, **options)
        unsynced.add(os.stat(target.parent).st_ino)

    for name, shim in {"pwrite": pwrite, "fsync": fsync, "link": link}.items():
        monkeypatch.setattr(os, name, shim)
    extract(tmp_path, CORPUS)
    assert not unsynced
    assert not dirty


def test_a_temporary_that_a_cleaner_takes_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, turns = files.lock, iter([True])

    def late(fd: int, kind: int) -> bool:
        if next(turns, False):
            assert len(files.remove_stale(tmp_path)) == 1
        return real(fd, kind)

    monkeypatch.setattr(files, "lock", lambda fd, kind: late(fd, kind) if kind == fcntl.LOCK_EX else real(fd, kind))
    assert files.publish_bytes(tmp_path / "x", b"whole")
    assert (tmp_path / "x").read_bytes() == b"whole"


def test_a_file_system_without_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, str]
) -> None:
    def link(*_: Path, **__: bool) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", link)
    folder = extract(tmp_path, CORPUS)
    found = digests(folder)
    assert {name: found[name] for name in found if not name.endswith(".publish.lock")} == undisturbed
    before = (folder / "plan.json").stat().st_ino
    assert files.publish_bytes(folder / "plan.json", b"other") is False
    assert (folder / "plan.json").stat().st_ino == before
