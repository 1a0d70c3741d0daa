"""Whatever happens to a cache, in any order: it is complete and right, resumable, or refused."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from faulty import SURVIVED, Shim, fail_with, in_child, kill, start_child
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from planted import corpus_of, digests, extract

from probekit.cache.leftovers import collect, garbage
from probekit.cache.manage import import_cache, remove
from probekit.cache.reader import ActivationCache
from probekit.cache.verify import repair, verify
from probekit.errors import CacheError, ProbekitError, ResourceError

CORPUS = corpus_of(2, per_shard=2)
EXAMPLES = int(os.environ.get("PROBEKIT_STATE_MACHINE_EXAMPLES", "500"))
FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
FILES = ["shards/00000.safetensors", "shards/00001.safetensors", "receipts/00001.json", "corpus/00000.jsonl"]


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
    """Extract, kill, fail, corrupt, verify, repair, extract at once, tidy, import, remove."""

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

    def resumable(self) -> bool:
        return not self.damaged

    @precondition(resumable)
    @rule()
    def extract_again(self) -> None:
        folder = extract_patiently(self.root)
        assert digests(folder) == SOUND

    @precondition(lambda self: self.damaged)
    @rule()
    def extract_over_damage(self) -> None:
        try:
            folder = extract_patiently(self.root)
        except CacheError:
            return
        self.damaged = digests(folder) != SOUND
        assert verify(folder).ok is not self.damaged

    @precondition(resumable)
    @rule(at=st.integers(1, 110))
    def extract_and_be_killed(self, at: int) -> None:
        self._in_child(Shim(at, kill))

    @precondition(resumable)
    @rule(at=st.integers(1, 110), number=st.sampled_from([5, 28, 30]))
    def extract_and_fail(self, at: int, number: int) -> None:
        self._in_child(Shim(at, fail_with(number)))

    def _in_child(self, shim: Shim) -> None:
        def work() -> None:
            with shim.active():
                extract(self.root, CORPUS)

        assert in_child(work) in (SURVIVED, 6, -9)

    @precondition(resumable)
    @rule(at=st.integers(1, 110))
    def extract_beside_a_dying_writer(self, at: int) -> None:
        shim = Shim(at, kill)

        def dying() -> None:
            with shim.active():
                extract(self.root, CORPUS)

        children = [start_child(work, ProbekitError) for work in (dying, lambda: extract_patiently(self.root))]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert codes[1] == SURVIVED
        assert codes[0] in (SURVIVED, -9)

    @precondition(lambda self: self.folder is not None)
    @rule(name=st.sampled_from(FILES), share=st.floats(0, 1, exclude_max=True), how=st.integers(0, 3))
    def corrupt(self, name: str, share: float, how: int) -> None:
        assert self.folder is not None
        path = self.folder / name
        if not path.is_file():
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

    @precondition(lambda self: self.folder is not None)
    @rule()
    def repair(self) -> None:
        assert self.folder is not None
        repair(self.folder)
        assert verify(self.folder).ok or not (self.folder / "manifest.json").exists()
        self.damaged = False

    @rule()
    def tidy(self) -> None:
        collect(garbage(self.root))
        assert garbage(self.root) == []

    @precondition(lambda self: self.folder is not None)
    @rule()
    def remove(self) -> None:
        assert self.folder is not None
        remove(self.folder)
        self.damaged = False

    @precondition(lambda self: self.folder is not None)
    @rule()
    def import_elsewhere(self) -> None:
        assert self.folder is not None
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
