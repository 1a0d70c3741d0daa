"""Where caches live, which there are, and what may be deleted."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
from pathlib import Path

import pytest
from children import in_child
from planted import PLAN, corpus_of, digests, extract, identity_of, stage

from probekit.cache.location import cache_root, list_caches, newest_complete, slug
from probekit.cache.manage.arrival import import_cache
from probekit.cache.manage.folders import info, remove_all
from probekit.cache.manage.leftovers import collect, garbage
from probekit.cache.manage.verify import repair, verify
from probekit.cache.reader import ActivationCache
from probekit.cache.write.writer import CacheWriter
from probekit.errors import CacheError, ResourceError, UsageError

CORPUS = corpus_of(2, per_shard=3)


def test_the_root_is_found_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBEKIT_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert cache_root(tmp_path) == tmp_path
    assert cache_root() == Path("/a")
    monkeypatch.delenv("PROBEKIT_CACHE")
    assert cache_root() == Path("/b/probekit")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root().is_relative_to(tmp_path)


@pytest.mark.parametrize("home", [None, "/no/such/home"])
def test_fault_22_no_home_and_no_cache(monkeypatch: pytest.MonkeyPatch, home: str | None) -> None:
    for name in ("PROBEKIT_CACHE", "XDG_CACHE_HOME", "HOME", "USERPROFILE"):
        monkeypatch.delenv(name, raising=False)
    if home:
        monkeypatch.setenv("HOME", home)
    with pytest.raises(UsageError, match="--cache or PROBEKIT_CACHE"):
        cache_root()


def test_fault_22_a_root_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="Cannot write"):
        extract(tmp_path / "file" / "root", CORPUS)


def test_fault_22_a_read_only_root(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    def work() -> None:
        if os.geteuid() == 0:
            os.setegid(65534)
            os.seteuid(65534)
        with pytest.raises(ResourceError, match="--cache or PROBEKIT_CACHE"):
            extract(tmp_path / "root", CORPUS)

    assert in_child(work) == 0
    tmp_path.chmod(0o700)


def test_names_become_folders() -> None:
    names = {"BAAI/bge-M3": "baai-bge-m3", "../../etc": "etc", "": "unnamed", "日本": "unnamed", "a  b": "a-b"}
    assert {name: slug(name) for name in names} == names
    assert len(slug("x" * 500)) == 60


def test_the_newest_complete_cache_comes_first(tmp_path: Path) -> None:
    assert newest_complete(tmp_path) is None
    old, new = extract(tmp_path, CORPUS), extract(tmp_path, CORPUS, weights="e" * 64)
    os.utime(old / "manifest.json", (1, 1))
    assert newest_complete(tmp_path) == new
    (new / "manifest.json").unlink()
    assert newest_complete(tmp_path) == old
    (tmp_path / "other").mkdir()
    (tmp_path / "linked").symlink_to(old)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/plan.json").write_text("{")
    found = list_caches(tmp_path)
    assert [(entry.path.name, entry.complete, bool(entry.problem)) for entry in found] == [
        (old.name, True, False),
        ("broken", False, True),
        (new.name, False, False),
    ]
    assert list_caches(tmp_path / "nowhere") == []


def test_removal(tmp_path: Path) -> None:
    folder = extract(tmp_path, CORPUS)
    for wrong in (tmp_path, tmp_path / "none", folder / "shards"):
        with pytest.raises(UsageError, match="Nothing was deleted"):
            remove_all([wrong])
    with stage(CORPUS, tmp_path) as staged:
        identity = identity_of(staged) | {"dtype": "float32"}
        (folder / "manifest.json").unlink()
        with CacheWriter.open(tmp_path, identity, PLAN, staged):
            for act in (lambda folder: remove_all([folder]), repair):
                with pytest.raises(CacheError, match="by another process"):
                    act(folder)
    assert all(remove_all([folder]).values())
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_plan_can_be_removed(tmp_path: Path) -> None:
    folder = extract(tmp_path, CORPUS)
    (folder / "plan.json").write_text("{")
    with pytest.raises(CacheError, match="probekit cache rm"):
        ActivationCache.open(folder)
    remove_all([folder])


@pytest.mark.parametrize("name", ["receipts", "shards", "corpus"])
def test_a_cache_that_lacks_a_folder_can_be_removed(tmp_path: Path, name: str) -> None:
    folder = extract(tmp_path, CORPUS)
    shutil.rmtree(folder / name)
    with pytest.raises(CacheError, match="probekit cache rm"):
        ActivationCache.open(folder)
    (folder / "plan.json").write_text('{"format": 2}')
    with pytest.raises(UsageError, match=f"no folder {name}"):
        remove_all([folder])
    (folder / "plan.json").write_text('{"format": 2, "key": "a", "identity": {}}')
    assert all(remove_all([folder]).values())


def test_where_there_are_no_locks_that_is_said_and_nothing_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = extract(tmp_path, CORPUS)
    sound = digests(folder)

    def without(*args: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", without)
    for act in (lambda folder: remove_all([folder]), repair):
        with pytest.raises(ResourceError, match="has no locks"):
            act(folder)
    assert collect(garbage(tmp_path)) == []
    assert digests(folder) == sound
    assert extract(tmp_path, CORPUS) == folder


def test_a_root_that_is_a_file_is_no_empty_root(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match="cannot be listed: Not a directory"):
        list_caches(tmp_path / "file")
    assert list_caches(tmp_path / "nothing") == []


def test_only_what_the_dead_left_is_garbage(tmp_path: Path) -> None:
    folder = extract(tmp_path, CORPUS)
    sound = digests(folder)
    assert garbage(tmp_path) == []

    def work() -> None:
        stage(CORPUS, tmp_path)
        (tmp_path / ".removing-x/runs").mkdir(parents=True)
        (tmp_path / ".removing-x/runs/lock").touch()
        (folder / "shards/.00000.safetensors.x.tmp").write_bytes(b"12345")
        os.kill(os.getpid(), signal.SIGKILL)

    with stage(CORPUS, tmp_path):
        assert garbage(tmp_path) == []
        in_child(work)
        found = garbage(tmp_path)
        assert len(found) == 3
        assert collect(found) == found
        assert garbage(tmp_path) == []
    assert digests(folder) == sound
    assert list(tmp_path.iterdir()) == [folder]


def test_what_was_set_aside_is_garbage(tmp_path: Path) -> None:
    folder = extract(tmp_path, CORPUS)
    (folder / "shards/00000.safetensors").write_bytes(b"")
    repair(folder)
    (item,) = garbage(tmp_path)
    assert item.path == folder / "runs/aside"


def test_an_import_is_verified_on_arrival(tmp_path: Path) -> None:
    folder = extract(tmp_path / "there", CORPUS)
    here = tmp_path / "here"
    copy = import_cache(folder, here)
    assert digests(copy) == digests(folder)
    assert copy.name == folder.name
    with pytest.raises(CacheError, match="there already"):
        import_cache(folder, here)
    remove_all([copy])
    data = bytearray((folder / "shards/00001.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "shards/00001.safetensors").write_bytes(data)
    with pytest.raises(CacheError, match="Nothing was imported"):
        import_cache(folder, here)
    assert list(here.iterdir()) == []


def test_a_cache_is_described_complete_or_not(tmp_path: Path) -> None:
    folder = extract(tmp_path, CORPUS)
    assert info(folder)["complete"]
    assert info(folder)["shards_done"] == 2
    assert verify(folder).to_json()["ok"]
    (folder / "manifest.json").unlink()
    (folder / "receipts/00000.json").unlink()
    (folder / "shards/00000.safetensors").unlink()
    assert info(folder)["resume"] == "probekit extract again"
    assert info(folder)["shards_done"] == 1
    assert verify(folder).ok
