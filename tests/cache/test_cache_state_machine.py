"""Whatever happens to a cache, in any order: it is complete and right, resumable, or refused.

No rule has a precondition: what a race has left on the disk must not decide which rule comes next, or
a failure could not be found again. A rule that has nothing to do does nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from children import SURVIVED, ended, in_child, start_child
from faulty import FAILED, REFUSED, SIGKILLED, Shim, calls_of, fail_with, kill
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from planted import corpus_of, digests, extract

from probekit.cache.manage.arrival import import_cache
from probekit.cache.manage.folders import remove_all
from probekit.cache.manage.leftovers import collect, garbage
from probekit.cache.manage.verify import repair, verify
from probekit.cache.reader import ActivationCache
from probekit.errors import CacheError, ResourceError, UsageError

CORPUS = corpus_of(2, per_shard=2)
MOST = "500" if os.environ.get("PROBEKIT_EXAMPLES") == "new" else "40"
"""Examples where each run draws new ones; the same again need not be so many."""
EXAMPLES = int(os.environ.get("PROBEKIT_STATE_MACHINE_EXAMPLES", MOST))
FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
FILES = [
    "shards/00000.safetensors",
    "shards/00001.safetensors",
    "receipts/00001.json",
    "corpus/00000.jsonl",
    "corpus/00001.jsonl",
    "corpus/source.json",
    "manifest.json",
    "plan.json",
]
CALLS = st.integers(1, 150)


def undisturbed() -> dict[str, str]:
    with tempfile.TemporaryDirectory(dir=FAST) as root:
        return digests(extract(Path(root), CORPUS))


SOUND = undisturbed()


def extract_patiently(root: Path) -> Path:
    """Extract; a shard over which too many runs were killed is refused once, and then tried again."""
    for _ in CORPUS.sizes:
        with contextlib.suppress(ResourceError):
            return extract(root, CORPUS)
    return extract(root, CORPUS)


class CacheMachine(RuleBasedStateMachine):
    """Extract, kill, fail, corrupt, verify, repair, tidy, import, remove, alone and beside one another."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(dir=FAST))
        self.damaged = False

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    @property
    def folder(self) -> Path | None:
        found = [path for path in self.root.iterdir() if not path.name.startswith(".")]
        assert len(found) <= 1
        return found[0] if found else None

    @rule()
    def extract(self) -> None:
        try:
            folder = extract_patiently(self.root)
        except CacheError:
            assert self.damaged
            return
        found = digests(folder)
        assert self.damaged or found == SOUND
        self.damaged = found != SOUND
        assert verify(folder).ok is not self.damaged

    @rule(at=CALLS)
    def extract_and_be_killed(self, at: int) -> None:
        assert in_child(self._faulty(Shim(at, kill))) in (SURVIVED, SIGKILLED, FAILED, *self._refused)

    @rule(at=CALLS, number=st.sampled_from([5, 28, 30]))
    def extract_and_fail(self, at: int, number: int) -> None:
        assert in_child(self._faulty(Shim(at, fail_with(number)))) in (SURVIVED, FAILED, REFUSED)

    def _faulty(self, shim: Shim) -> Callable[[], None]:
        def work() -> None:
            with shim.active():
                extract(self.root, CORPUS)

        return work

    @property
    def _refused(self) -> tuple[int, ...]:
        return (REFUSED,) if self.damaged else ()

    @rule(at=CALLS)
    def extract_beside_a_dying_writer(self, at: int) -> None:
        works = (self._faulty(Shim(at, kill)), lambda: extract_patiently(self.root))
        dying, living = self._together(*works)
        assert living in (SURVIVED, *self._refused)
        assert dying in (SURVIVED, SIGKILLED, FAILED, *self._refused)

    def _together(self, *works: Callable[[], object]) -> list[int]:
        children = [start_child(work) for work in works]
        return [ended(child) for child in children]

    @rule()
    def tidy_beside_a_writer(self) -> None:
        writer, _ = self._together(lambda: extract_patiently(self.root), lambda: collect(garbage(self.root)))
        assert writer in (SURVIVED, *self._refused)

    @rule(at=CALLS)
    def repair_beside_a_writer(self, at: int) -> None:
        folder = self.folder
        if folder is None:
            return
        writer = start_child(self._faulty(Shim(at, kill)))
        with contextlib.suppress(CacheError):
            repair(folder)
        code = ended(writer)
        assert code in (SURVIVED, SIGKILLED, FAILED, *self._refused)

    @rule(name=st.sampled_from(FILES), share=st.floats(0, 1, exclude_max=True), how=st.integers(0, 3))
    def corrupt(self, name: str, share: float, how: int) -> None:
        if self.folder is None or not (path := self.folder / name).is_file():
            return
        data = bytearray(path.read_bytes())
        at = int(share * len(data))
        if how == 0 and data:
            data[at] ^= 1
        elif how == 1:
            del data[at:]
        elif how == 2:
            data += b"\0"
        path.unlink()
        if how < 3:
            path.write_bytes(data)
        self.damaged = True

    @rule(number=st.integers(0, 1))
    def change_words(self, number: int) -> None:
        """Another text of the same size: every word is another one."""
        if self.folder is None or not (path := self.folder / f"corpus/0000{number}.jsonl").is_file():
            return
        data = path.read_bytes()
        path.write_bytes(data.replace(b'"w', b'"v'))
        self.damaged = self.damaged or data != path.read_bytes()

    @rule()
    def repair(self) -> None:
        folder = self.folder
        if folder is None:
            return
        try:
            repair(folder)
        except CacheError as error:
            refusal = str(error)
        else:
            refusal = ""
        if refusal:
            assert self.damaged
            assert "plan" in refusal or "manifest.json has format version" in refusal
            return
        assert verify(folder).ok or not (folder / "manifest.json").exists()
        self.damaged = False

    @rule()
    def tidy(self) -> None:
        collect(garbage(self.root))
        assert garbage(self.root) == []

    @rule()
    def remove(self) -> None:
        folder = self.folder
        if folder is None:
            return
        if (folder / "plan.json").exists():
            remove_all([folder])
        else:
            with pytest.raises(UsageError):
                remove_all([folder])
            shutil.rmtree(folder)
        self.damaged = False

    @rule()
    def import_elsewhere(self) -> None:
        if self.folder is None:
            return
        with tempfile.TemporaryDirectory(dir=FAST) as other:
            try:
                copy = import_cache(self.folder, Path(other))
            except CacheError:
                assert self.damaged or not (self.folder / "manifest.json").exists()
            else:
                assert digests(copy) == SOUND

    @invariant()
    def complete_and_right_or_refused(self) -> None:
        folder = self.folder
        if folder is None:
            return
        try:
            ActivationCache.open(folder)
        except CacheError as error:
            refusal = str(error)
        else:
            refusal = ""
        if refusal:
            assert "Resume with" in refusal or self.damaged
            return
        found = {name: value for name, value in digests(folder).items() if not name.endswith(".tmp")}
        assert found == SOUND or not verify(folder).ok


TestCacheMachine = CacheMachine.TestCase
TestCacheMachine.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)

Step = tuple[str, dict[str, object]]


def first_rename() -> int:
    """The call that turns the staged folder into a cache."""
    with tempfile.TemporaryDirectory(dir=FAST) as root:
        return calls_of(lambda: extract(Path(root), CORPUS)).index("rename") + 1


KILLED_EARLY: Step = ("extract_and_be_killed", {"at": first_rename() + 5})
CHANGED: Step = ("change_words", {"number": 0})
WHOLE: Step = ("extract", {})
REPLAYS: dict[str, list[Step]] = {
    "another text in a begun cache": [KILLED_EARLY, CHANGED, WHOLE, ("repair", {}), WHOLE],
    "another text, and two writers": [
        KILLED_EARLY,
        CHANGED,
        ("extract_beside_a_dying_writer", {"at": 60}),
        ("repair", {}),
        ("extract_beside_a_dying_writer", {"at": 60}),
        WHOLE,
    ],
    "another text in a complete cache": [WHOLE, CHANGED, ("import_elsewhere", {}), ("repair", {}), WHOLE],
    "a receipt without its last newline": [
        WHOLE,
        ("corrupt", {"name": "receipts/00001.json", "share": 0.9999, "how": 1}),
        ("repair", {}),
        WHOLE,
    ],
    "a plan that differs before there is a manifest": [
        KILLED_EARLY,
        ("corrupt", {"name": "plan.json", "share": 0.5, "how": 0}),
        WHOLE,
        ("repair", {}),
        ("remove", {}),
        WHOLE,
    ],
    "a source that is gone": [
        WHOLE,
        ("corrupt", {"name": "corpus/source.json", "share": 0.0, "how": 3}),
        ("repair", {}),
        WHOLE,
    ],
    "a file that cannot be opened just now": [
        ("extract_and_fail", {"at": 120, "number": 5}),
        ("extract_and_fail", {"at": 131, "number": 5}),
        WHOLE,
    ],
}


@pytest.mark.parametrize("name", REPLAYS)
def test_failures_once_found_stay_mended(name: str) -> None:
    machine = CacheMachine()
    try:
        for step, values in REPLAYS[name]:
            getattr(machine, step)(**values)
            machine.complete_and_right_or_refused()
            assert machine.damaged or step not in ("corrupt", "change_words")
        assert not machine.damaged
    finally:
        machine.teardown()
