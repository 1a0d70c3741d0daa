"""Whoever imports, removes, repairs or tidies touches caches only, never what lives, and never through a link."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from planted import PLAN, corpus_of, digests, extract, identity_of, stage

from probekit.cache.location import list_caches, newest_complete
from probekit.cache.manage import arrival, leftovers
from probekit.cache.manage import folders as manage
from probekit.cache.manage.arrival import import_cache
from probekit.cache.manage.folders import remove_all
from probekit.cache.manage.leftovers import collect, garbage
from probekit.cache.manage.verify import repair, verify
from probekit.cache.reader import ActivationCache
from probekit.cache.write import writer
from probekit.cache.write.writer import CacheWriter
from probekit.cli.app import run
from probekit.errors import CacheError, UsageError
from probekit.storage import locks

CORPUS = corpus_of(2, per_shard=3)
SHARD = "shards/00001.safetensors"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that belongs to somebody else."""
    folder = tmp_path / "outside"
    (folder / "aside").mkdir(parents=True)
    (folder / "aside/precious").write_text("x" * 100)
    (folder / "lock").touch()
    return folder


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


# Importing


def link_of_a_folder(folder: Path) -> None:
    (folder / "corpus/evil").symlink_to("/etc")


def dangling(folder: Path) -> None:
    (folder / "shards/00009.safetensors").symlink_to("/no/such/file")


def loop(folder: Path) -> None:
    (folder / "receipts/loop").symlink_to("loop")


def fifo(folder: Path) -> None:
    os.mkfifo(folder / "corpus/fifo")


def unknown(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")


def unknown_folder(folder: Path) -> None:
    (folder / "shards/more").mkdir()


def linked_shard(folder: Path) -> None:
    shutil.move(folder / SHARD, folder.parent / "moved")
    (folder / SHARD).symlink_to(folder.parent / "moved")


def fifo_for_a_text(folder: Path) -> None:
    (folder / "corpus/00000.jsonl").unlink()
    os.mkfifo(folder / "corpus/00000.jsonl")


def linked_part(folder: Path) -> None:
    shutil.move(folder / "receipts", folder.parent / "moved")
    (folder / "receipts").symlink_to(folder.parent / "moved")


def linked_source(folder: Path) -> None:
    (folder / "corpus/source.json").unlink()
    (folder / "corpus/source.json").symlink_to("/etc/hostname")


HOSTILE = [
    link_of_a_folder,
    dangling,
    loop,
    fifo,
    unknown,
    unknown_folder,
    linked_shard,
    fifo_for_a_text,
    linked_part,
    linked_source,
]


@pytest.mark.parametrize("plant", HOSTILE)
def test_fault_25_an_import_takes_the_files_of_the_plan_and_no_others(
    tmp_path: Path, plant: Callable[[Path], None]
) -> None:
    folder = extract(tmp_path / "there", CORPUS)
    assert digests(import_cache(folder, tmp_path / "sound")) == digests(folder)
    plant(folder)
    with pytest.raises(CacheError) as caught:
        import_cache(folder, tmp_path / "here")
    assert caught.value.exit_code == 4
    assert not (tmp_path / "here").exists() or list((tmp_path / "here").iterdir()) == []


def test_an_import_leaves_behind_what_is_passing(tmp_path: Path) -> None:
    folder = extract(tmp_path / "there", CORPUS)
    sound = digests(folder)
    (folder / "shards/.00000.safetensors.x.tmp").write_bytes(b"half")
    (folder / "runs/secret").write_text("not copied")
    copy = import_cache(folder, tmp_path / "here")
    assert digests(copy) == sound
    assert [path.name for path in (copy / "runs").iterdir()] == ["lock"]


# Removing


def test_rm_deletes_caches_only(tmp_path: Path, outside: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "plan.json").write_text('{"name": "my project"}')
    cache = extract(tmp_path / "root", CORPUS)
    (tmp_path / "link").symlink_to(cache)
    wrong = [project, tmp_path / "link", tmp_path, tmp_path / "none", cache / "plan.json"]
    for part in ("corpus", "shards", "receipts"):
        copy = Path(shutil.copytree(cache, tmp_path / f"without-{part}"))
        shutil.rmtree(copy / part)
        wrong.append(copy)
        (copy / part).symlink_to(outside)
    others = Path(shutil.copytree(cache, tmp_path / "others"))
    (others / "plan.json").write_text('{"name": "my project"}')
    strange = Path(shutil.copytree(cache, tmp_path / "strange"))
    (strange / "thesis.tex").write_text("years")
    linked = Path(shutil.copytree(cache, tmp_path / "linked"))
    shutil.rmtree(linked / "runs")
    (linked / "runs").symlink_to(outside)
    before = sorted(tmp_path.rglob("*"))
    for path in [*wrong, others, strange, linked]:
        for paths in ([path], [cache, path]):
            with pytest.raises(UsageError, match="Nothing was deleted"):
                remove_all(paths)
    assert sorted(tmp_path.rglob("*")) == before
    assert all(remove_all([cache]).values())
    assert not cache.exists()


@pytest.mark.parametrize("plan", ["{", "", "[]", '{"format": 99, "key": "x"}'])
def test_rm_deletes_a_cache_whose_plan_nobody_can_read(tmp_path: Path, plan: str) -> None:
    folder = extract(tmp_path, CORPUS)
    (folder / "plan.json").write_text(plan)
    remove_all([folder])
    assert list(tmp_path.iterdir()) == []


def test_rm_counts_a_cache_once_whatever_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = extract(tmp_path, CORPUS)
    monkeypatch.chdir(tmp_path)
    names = [folder.name, f"./{folder.name}/", str(folder), f"{folder.name}/shards/.."]
    assert run(["cache", "rm", *names, "--yes", "--json", "--cache", str(tmp_path)]) == 0
    (removed,) = json.loads(capsys.readouterr().out)["removed"]
    assert removed["cache"] == str(folder)
    folder = extract(tmp_path, CORPUS)
    monkeypatch.chdir(folder)
    assert run(["cache", "rm", ".", "--yes"]) == 0
    assert not folder.exists()
    monkeypatch.chdir(tmp_path)
    assert run(["cache", "rm", ".", "--yes"]) == 2
    assert "is not a cache" in capsys.readouterr().err


def test_rm_deletes_all_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = extract(tmp_path, CORPUS), extract(tmp_path, CORPUS, weights="e" * 64)
    with held(second), pytest.raises(CacheError, match="by another process"):
        remove_all([first, second])
    assert digests(first)
    real, turn = os.rename, iter([True])

    def once(source: Path, target: Path) -> None:
        if not next(turn, False):
            raise PermissionError(13, "Permission denied")
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(manage.os, "rename", lambda a, b: real(a, b) if ".removing" in str(a) else once(a, b))
        with pytest.raises(Exception, match="Deleted before: nothing"):
            remove_all([first, second])
    assert ActivationCache.open(first)
    assert ActivationCache.open(second)
    assert set(remove_all([first, second, first])) == {first, second}


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """A live writer of the folder."""
    fd = locks.acquire(folder / "runs/lock", fcntl.LOCK_SH)
    assert fd is not None
    try:
        yield
    finally:
        os.close(fd)


# Tidying


def test_gc_leaves_a_live_import_and_a_fresh_folder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = extract(tmp_path / "there", CORPUS)
    here = tmp_path / "here"
    seen: list[bool] = []
    real = arrival._copy

    def copying(source: Path, target: Path) -> None:
        seen.append(garbage(here) == [])
        real(source, target)

    monkeypatch.setattr(arrival, "_copy", copying)
    copy = import_cache(folder, here)
    assert len(seen) > 5
    assert all(seen)
    assert verify(copy).ok
    for prefix in (leftovers.IMPORTING, leftovers.REMOVING, leftovers.PREFIX):
        (here / f"{prefix}new/runs").mkdir(parents=True)
    assert garbage(here) == []
    for path in here.glob(".*-new"):
        os.utime(path, (0, 0))
    assert len(collect(garbage(here))) == 3
    assert list(here.iterdir()) == [copy]


@pytest.mark.parametrize("prefix", [leftovers.IMPORTING, leftovers.REMOVING, leftovers.PREFIX])
def test_gc_takes_each_lock_again_before_it_deletes(tmp_path: Path, prefix: str) -> None:
    folder, fd = locks.make_hidden_folder(tmp_path, prefix)
    (folder / "corpus").mkdir()
    os.close(fd)
    found = garbage(tmp_path)
    assert [item.path for item in found] == [folder]
    with held(folder):
        assert garbage(tmp_path) == []
        assert collect(found) == []
        assert (folder / "corpus").is_dir()
    assert collect(found) == found
    assert collect(found) == []


def test_gc_takes_the_lock_of_a_file_again(tmp_path: Path) -> None:
    folder = extract(tmp_path, CORPUS)
    file = folder / "shards/.00000.safetensors.x.tmp"
    file.write_bytes(b"half")
    found = garbage(tmp_path)
    fd = os.open(file, os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    assert collect(found) == []
    assert file.exists()
    os.close(fd)
    assert collect(found) == found


@pytest.mark.parametrize("linked", ["runs", "runs/aside"])
def test_fault_25_nothing_is_set_aside_or_freed_through_a_link(tmp_path: Path, outside: Path, linked: str) -> None:
    root = tmp_path / "root"
    folder = extract(root, CORPUS)
    truncate(folder / SHARD)
    if linked == "runs":
        shutil.rmtree(folder / "runs")
    (folder / linked).symlink_to(outside if linked == "runs" else outside / "aside")
    before = {path: path.lstat().st_ino for path in outside.rglob("*")}
    assert collect(garbage(root)) == []
    with pytest.raises(CacheError, match="no links"):
        repair(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(CacheError, match="no links"):
        extract(root, CORPUS)
    assert {path: path.lstat().st_ino for path in outside.rglob("*")} == before
    assert (outside / "aside/precious").read_text() == "x" * 100


def test_a_repair_outlives_a_gc_of_what_it_sets_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from probekit.cache.write import recovery

    folder = extract(tmp_path, CORPUS)
    (folder / "runs/aside").mkdir()
    truncate(folder / SHARD)
    real, turn = recovery.acquire, iter([True])

    def overtaken(path: Path, kind: int) -> int | None:
        if next(turn, False):
            assert len(collect(garbage(tmp_path))) == 1
        return real(path, kind)

    monkeypatch.setattr(recovery, "acquire", overtaken)
    repair(folder)
    assert len(list((folder / "runs/aside").glob("00001*"))) == 2
    assert not (folder / SHARD).exists()


# Listing and choosing


def test_one_bad_folder_does_not_hide_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = extract(tmp_path, CORPUS)
    plan = json.loads((good / "plan.json").read_bytes())
    plans = {
        "newer": plan | {"format": 99},
        "null": plan | {"identity": {"model": None}},
        "list": plan | {"identity": {"model": {"name": ["a"]}}},
        "surrogate": plan | {"identity": {"model": {"name": "\ud800"}}},
    }
    for name, data in plans.items():
        shutil.copytree(good, tmp_path / name)
        (tmp_path / name / "plan.json").write_text(json.dumps(data))
    shutil.copytree(good, tmp_path / "deep")
    (tmp_path / "deep/plan.json").write_text("[" * 100_000)
    truncate(Path(shutil.copytree(good, tmp_path / "truncated")) / SHARD)
    os.utime(good / "manifest.json", (1, 1))
    entries = {entry.path.name: entry for entry in list_caches(tmp_path)}
    assert {name for name, entry in entries.items() if entry.problem} == {*plans, "deep"}
    assert [name for name, entry in entries.items() if entry.other_version] == ["newer"]
    notes: list[str] = []
    assert newest_complete(tmp_path, notify=notes.append) == good
    assert len(notes) == len(plans) + 2
    assert run(["cache", "ls", "--cache", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 1 + len(entries)
    assert "other version" in shown.out
    assert "format version 99" in shown.err
    assert run(["cache", "info", "--cache", str(tmp_path), "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["cache"] == str(good)
    assert "truncated is passed over" in shown.err
    assert run(["cache", "verify", "--cache", str(tmp_path)]) == 4
    remove_all([good])
    with pytest.raises(CacheError):
        newest_complete(tmp_path)


def test_what_vanishes_while_it_is_looked_at_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from probekit.cache.format import plan
    from probekit.cache.manage import verify as verifying

    folder, other = extract(tmp_path, CORPUS), extract(tmp_path, CORPUS, weights="e" * 64)
    real = plan.read_small

    def vanishing(path: Path) -> bytes:
        if path.parent == folder:
            shutil.rmtree(folder, ignore_errors=True)
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(plan, "read_small", vanishing)
        assert [entry.path for entry in list_caches(tmp_path)] == [other]
    assert leftovers.size_of(folder) == 0
    before = verifying.read_manifest

    def gone(found: plan.CachePlan) -> dict[str, object] | None:
        manifest = before(found)
        shutil.rmtree(other)
        return manifest

    monkeypatch.setattr(verifying, "read_manifest", gone)
    with pytest.raises(CacheError, match="cannot be verified"):
        verify(other)


# Joining


def test_a_writer_that_waited_for_a_removed_cache_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = digests(extract(tmp_path, CORPUS))
    (folder,) = tmp_path.iterdir()
    (folder / "manifest.json").unlink()
    real, turn = writer.acquire, iter([True])

    def overtaken(path: Path, kind: int) -> int | None:
        if next(turn, False):
            remove_all([folder])
        return real(path, kind)

    monkeypatch.setattr(writer, "acquire", overtaken)
    assert extract(tmp_path, CORPUS) == folder
    assert digests(folder) == sound


def test_a_lock_whose_file_lost_its_name_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    path.touch()
    real, turn = locks.lock, iter([True])

    def late(fd: int, kind: int) -> bool:
        if next(turn, False):
            path.unlink()
        return real(fd, kind)

    monkeypatch.setattr(locks, "lock", late)
    fd = locks.acquire(path, fcntl.LOCK_SH)
    assert fd is not None
    assert os.path.samestat(os.fstat(fd), path.stat())
    os.close(fd)


def test_a_new_cache_is_never_without_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, tried = CacheWriter._enter, []

    def entered(self: CacheWriter, *values: object, **options: object) -> None:
        with pytest.raises(CacheError, match="by another process"):
            remove_all([self.folder])
        tried.append(self.folder)
        real(self, *values, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(CacheWriter, "_enter", entered)
    with stage(CORPUS, tmp_path) as staged:
        CacheWriter.open(tmp_path, identity_of(staged), PLAN, staged).close()
    assert len(tried) == 1
    assert all(remove_all([tried[0]]).values())
