"""Workers of Ray give the bytes of one process, whoever is killed; what is wrong is said as it is there."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from children import PATIENCE
from test_extract import SENTENCES, digests
from tiny_models import tiny_model

import probekit.cache.write.staging
from probekit import extract
from probekit.cache.format.names import ShardSpec
from probekit.cli import Stopped
from probekit.cli.app import run
from probekit.errors import NetworkError, ResourceError, UsageError
from probekit.extraction.engines import _dealing
from probekit.extraction.engines import ray as ray_engine
from probekit.extraction.engines._cluster import connected, knock
from probekit.extraction.engines._dealing import RETRIES, Event, deal
from probekit.extraction.engines._worker import Token
from probekit.extraction.forward_pass import ModelPass

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two places for workers on this machine, started as the command starts them."""
    ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    from ray import cloudpickle

    # Workers have probekit and not the tests; what they run of these is sent whole.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    asked: Any = SimpleNamespace(address=None, workers=2)
    with pytest.MonkeyPatch.context() as patch:
        # A worker that is slow to import is not lost: these tests count the lost.
        patch.setenv("RAY_worker_register_timeout_seconds", str(int(PATIENCE)))
        with connected(asked):
            yield ray


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several shards from a small corpus."""
    monkeypatch.setattr(probekit.cache.write.staging, "SHARD_WORDS", 40)


class Disturbed:
    """No change of what a model reads: its worker is killed at a batch, once; or stands still behind a receipt."""

    def __init__(self, died: Path | None = None, *, root: Path | None = None) -> None:
        self.died, self.root = died, root

    def identity(self) -> list[dict[str, Any]]:
        return []

    @contextlib.contextmanager
    def at_work(self, loaded: Any) -> Iterator[None]:
        step = ModelPass.run

        def disturbed(engine: Any, *given: Any) -> Any:
            while self.root is not None and list(self.root.glob("*/receipts/*.json")):
                time.sleep(0.1)
            if self.died is not None and not self.died.exists():
                self.died.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return step(engine, *given)

        with mock.patch.object(ModelPass, "run", disturbed):
            yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The digests of what one process makes, its manifest included."""
    with mock.patch.object(probekit.cache.write.staging, "SHARD_WORDS", 40):
        made = extract(tiny_model("bert"), SENTENCES, cache=tmp_path_factory.mktemp("whole"))
    return digests(made.cache)


def test_a_killed_worker_costs_its_shard_and_the_bytes_are_those_of_one_process(
    cluster: Any, whole: dict[str, str], tmp_path: Path
) -> None:
    died = tmp_path / "died"
    edits = Disturbed(died)
    made = extract(tiny_model("bert"), SENTENCES, engine="ray", workers=1, edits=edits, cache=tmp_path / "caches")
    assert died.exists()
    assert made.complete
    assert "Workers lost: 1; shards that were run again for it: 1." in made.notes
    assert digests(made.cache) == whole
    assert not list((made.cache / "shards").glob(".*"))
    assert not list((made.cache / "runs").glob("token-*"))


def drive(root: str, model: str) -> None:
    """Extract one shard and no more, in a process of its own that the test kills."""
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    probekit.cache.write.staging.SHARD_WORDS = 40
    extract(model, SENTENCES, engine="ray", workers=1, edits=Disturbed(root=Path(root)), cache=root)


def test_a_killed_command_goes_on_with_the_same_bytes(cluster: Any, whole: dict[str, str], tmp_path: Path) -> None:
    folders = [str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)]
    address = cluster.get_runtime_context().gcs_address
    code = f"import test_engine_ray; test_engine_ray.drive({str(tmp_path)!r}, {str(tiny_model('bert'))!r})"
    told = {**os.environ, "PYTHONPATH": os.pathsep.join(folders), "RAY_ADDRESS": address}
    child = subprocess.Popen([sys.executable, "-c", code], env=told)
    until = time.monotonic() + PATIENCE
    while not list(tmp_path.glob("*/receipts/*.json")) and child.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    (left,) = tmp_path.glob("*--*")
    assert not (left / "manifest.json").exists()
    made = extract(tiny_model("bert"), SENTENCES, engine="ray", workers=2, cache=tmp_path)
    assert made.cache == left
    assert digests(made.cache) == whole


def test_a_shard_that_cannot_be_read_ends_the_command_as_in_one_process(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "long.txt").write_text("house\n" + "tree " * 100 + "\n")
    words = ["extract", str(tiny_model("bert")), "long.txt", "--cache", "caches"]
    codes, said = [], []
    for more in ([], ["--engine", "ray", "--workers", "1"]):
        codes.append(run([*words, *more]))
        shown = capfd.readouterr()
        assert shown.out == ""
        said.append(shown.err.splitlines()[-1])
    assert codes == [3, 3]
    assert "--overflow window" in said[0]
    assert said[1] == said[0]


def test_a_folder_that_nodes_do_not_share_is_refused(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = ray_engine.new_token
    monkeypatch.setattr(ray_engine, "new_token", lambda folder: Token(true(folder).path, "of another folder"))
    with pytest.raises(ResourceError, match=r"not the same on every node.*--cache"):
        extract(tiny_model("bert"), SENTENCES, engine="ray", workers=1, cache=tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_interrupt_inside_of_ray_is_an_interrupt() -> None:
    def wait(*given: Any, **options: Any) -> Any:
        raise SystemError("returned a result with an exception set") from Stopped(signal.SIGINT)

    pool: Any = object.__new__(ray_engine._Pool)
    pool.ray, pool._steps = SimpleNamespace(wait=wait), {"ref": (1, "run")}
    with pytest.raises(Stopped):
        pool.wait()


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "localhost:{}"])
def test_an_address_where_nobody_listens_is_said_before_ray_waits_for_it(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    ray: Any = SimpleNamespace(is_initialized=lambda: False, shutdown=lambda: None)
    ray.init = lambda address, **options: begun.append(address)
    ray._private = SimpleNamespace(worker=SimpleNamespace(_worker_logs_enabled=True))
    monkeypatch.setitem(sys.modules, "ray", ray)
    for answered in (True, False):
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            if answered:
                listening.listen()
            asked: Any = SimpleNamespace(address=form.format(listening.getsockname()[1]), workers=1)
            says = (
                contextlib.nullcontext() if answered else pytest.raises(NetworkError, match="No Ray cluster answers at")
            )
            with says, connected(asked):
                pass
            assert begun == ([asked.address] if answered else [])
        begun.clear()
    for found_by_ray in ("auto", "local", "cluster-name", "127.0.0.1:port"):
        knock(found_by_ray)


def test_ray_that_does_not_start_here_is_a_resource_and_on_a_cluster_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**options: Any) -> None:
        raise Exception("The current node timed out during startup.")  # what Ray raises after 30 seconds

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: False, init=init))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    here: Any = SimpleNamespace(address=None, workers=1)
    with pytest.raises(ResourceError, match=r"did not start on this machine: Exception: The current node timed"):
        connected(here).__enter__()
    named: Any = SimpleNamespace(address="auto", workers=1)
    with pytest.raises(NetworkError, match="No Ray cluster answers at auto"):
        connected(named).__enter__()


def test_workers_that_no_shard_is_there_for_are_not_started_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "_portable", lambda job: job.request)
    monkeypatch.setattr(ray_engine._Pool, "start", lambda self: None)
    ray = mock.MagicMock(cluster_resources=lambda: {"CPU": 4})
    for shards, workers, last in (
        (1, 2, "There is 1 shard, and a shard is one worker's: 1 of 2 workers not"),
        (3, 2, "Ray: 2"),
    ):
        told: list[str] = []
        request = SimpleNamespace(device="cpu", workers=workers)
        job: Any = SimpleNamespace(request=request, staged=SimpleNamespace(shards=[None] * shards), tell=told.append)
        with ray_engine._Pool.begin(ray, job):
            pass
        assert told[-1].startswith(last)


def test_workers_need_an_engine_that_has_them() -> None:
    with pytest.raises(UsageError, match=r"`workers` option.*--engine ray"):
        extract(tiny_model("bert"), SENTENCES, workers=2)
    with pytest.raises(UsageError, match=r"`engine` option must be one of local, ray"):
        extract(tiny_model("bert"), SENTENCES, engine="rey")
    with pytest.raises(UsageError, match=r"--device-map.*--engine ray"):
        extract(tiny_model("bert"), SENTENCES, engine="ray", device_map="auto")


class Planned:
    """A pool without processes: `fate` says for each shard that is given what becomes of it."""

    def __init__(self, fate: Any, *, ready: bool = True) -> None:
        self.fate, self.ready = fate, ready
        self.given: list[int] = []
        self.started = 1
        self.events: list[Event] = []

    def start(self) -> None:
        self.started += 1
        self.events.append(Event(self.started) if self.ready else Event(self.started, lost="no memory."))

    def give(self, worker: int, shard: ShardSpec) -> None:
        self.given.append(shard.number)
        lost = self.fate(shard.number, self.given.count(shard.number))
        self.events.append(Event(worker, lost="killed.") if lost else Event(worker, rows=10))

    def wait(self) -> Sequence[Event]:
        events, self.events = self.events, []
        return events


def dealt(pool: Planned, *, on_disk: Sequence[int] = ()) -> _dealing.Dealt:
    shards = [ShardSpec(number, number, number + 1, 5, 10, "0" * 64) for number in range(4)]
    return deal(
        pool,
        shards,
        ready=[1],
        published=lambda shard: shard.number in on_disk,
        watch=lambda: None,
        tell=lambda note: None,
    )


def test_a_lost_worker_costs_one_shard() -> None:
    pool = Planned(lambda shard, times: shard == 2 and times == 1)
    found = dealt(pool)
    assert pool.given == [0, 1, 2, 2, 3]
    assert (found.rows, found.lost, found.again, pool.started) == (40, 1, 1, 2)


def test_a_shard_that_was_published_before_its_worker_was_lost_is_not_run_again() -> None:
    pool = Planned(lambda shard, times: shard == 2)
    found = dealt(pool, on_disk=[2])
    assert pool.given == [0, 1, 2, 3]
    assert (found.lost, found.again) == (1, 0)


def test_retries_are_bounded_for_a_shard_and_for_beginning() -> None:
    pool = Planned(lambda shard, times: shard == 2)
    with pytest.raises(ResourceError, match=rf"Shard 2 .* begun by {RETRIES + 1} workers"):
        dealt(pool)
    assert pool.given.count(2) == RETRIES + 1
    pool = Planned(lambda shard, times: True, ready=False)
    with pytest.raises(ResourceError, match=rf"{RETRIES + 1} workers were lost before they began"):
        dealt(pool)
