"""Import, repair, rm, gc and export, killed and failed at every call they make, lose and mix nothing."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from children import SURVIVED, in_child
from faulty import FAILED, REFUSED, SIGKILLED, Shim, calls_of, fail_with, kill
from planted import corpus_of, digests, extract

from probekit.cache.export import export
from probekit.cache.manage.arrival import import_cache
from probekit.cache.manage.folders import remove_all
from probekit.cache.manage.leftovers import collect, garbage
from probekit.cache.manage.verify import repair, verify
from probekit.cache.reader import ActivationCache

CORPUS = corpus_of(2, per_shard=2)
ACTS = {"killed": kill, "full": fail_with(errno.ENOSPC), "broken": fail_with(errno.EIO)}


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Path]:
    """A folder whose syncs cost nothing, where the system has one."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def import_it(root: Path, folder: Path) -> None:
    import_cache(folder, root / "other")


def repair_it(root: Path, folder: Path) -> None:
    repair(folder)


def remove_it(root: Path, folder: Path) -> None:
    remove_all([folder])


def tidy(root: Path, folder: Path) -> None:
    collect(garbage(root))


def export_it(root: Path, folder: Path) -> None:
    export(ActivationCache.open(folder), root / "out.npz", layers="0")


def damage(root: Path, folder: Path) -> None:
    for name in ("shards/00001.safetensors", "corpus/00000.jsonl"):
        data = bytearray((folder / name).read_bytes())
        data[-9] ^= 1
        (folder / name).write_bytes(data)


def litter(root: Path, folder: Path) -> None:
    damage(root, folder)
    repair(folder)
    (folder / "shards/.00000.safetensors.x.tmp").write_bytes(b"half")
    for name in (".staging-x", ".importing-x", ".removing-x"):
        (root / name / "runs").mkdir(parents=True)
        (root / name / "runs/lock").touch()
        (root / name / "corpus").mkdir()
        (root / name / "corpus/00000.jsonl").write_text("old")


def nothing(root: Path, folder: Path) -> None:
    pass


Step = Callable[[Path, Path], None]
VERBS: dict[str, tuple[Step, Step]] = {
    "import": (nothing, import_it),
    "repair": (damage, repair_it),
    "rm": (nothing, remove_it),
    "gc": (litter, tidy),
    "export": (nothing, export_it),
}


def scene(root: Path, sound: Path, prepare: Step) -> Path:
    root.mkdir()
    folder = Path(shutil.copytree(sound, root / sound.name))
    prepare(root, folder)
    return folder


def check(verb: str, root: Path, folder: Path, sound: dict[str, str], whole: bytes) -> None:
    """Nothing wrong is left: every cache is right or extracted right again, and every file whole or not there."""
    if verb == "export":
        assert not (root / "out.npz").exists() or (root / "out.npz").read_bytes() == whole
    if verb == "import":
        caches = list((root / "other").glob("[!.]*"))
        assert all(digests(copy) == sound for copy in caches)
        for copy in caches:
            shutil.rmtree(copy)
        assert digests(import_cache(folder, root / "other")) == sound
        collect(garbage(root / "other"))
        left = [path for path in (root / "other").glob(".*") if (path / "runs/lock").exists()]
        assert left == []
    if verb in ("import", "export"):
        assert digests(folder) == sound
    if verb == "repair":
        repair(folder)
    assert digests(extract(root, CORPUS)) == sound
    assert verify(folder).ok
    collect(garbage(root))
    assert garbage(root) == []
    assert digests(folder) == sound


@pytest.mark.parametrize("how", ACTS)
@pytest.mark.parametrize("verb", VERBS)
def test_fault_01_03_upkeep_killed_and_failed_at_every_call(fast: Path, verb: str, how: str) -> None:
    prepare, act = VERBS[verb]
    original = extract(fast / "original", CORPUS)
    sound = digests(original)
    counted = scene(fast / "counted", original, prepare)
    names = calls_of(lambda: act(fast / "counted", counted))
    assert len(names) > 5
    done = fast / "counted/out.npz"
    whole = done.read_bytes() if done.exists() else b""
    allowed = {SIGKILLED} if how == "killed" else {SURVIVED, FAILED, REFUSED}
    ends = set()
    for at in range(1, len(names) + 1):
        root = fast / str(at)
        folder = scene(root, original, prepare)
        shim = Shim(at, ACTS[how])

        def work(root: Path = root, folder: Path = folder, shim: Shim = shim) -> None:
            with shim.active():
                act(root, folder)

        ends.add(in_child(work))
        assert ends <= allowed, f"{names[at - 1]}, call {at}"
        check(verb, root, folder, sound, whole)
        shutil.rmtree(root)
    assert ends & {SIGKILLED, FAILED, REFUSED}
